"""The report agrees with the status, fits its schema, and its hash changes only with its content."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from agent.core.model.host import HostFacts
from agent.core.policy.policy import RequestsPolicy
from agent.core.schemas import Document
from agent.report.document import report_document
from agent.report.outbox.stats import OutboxStats
from agent.report.settings import ReportedSettings, reported_settings
from agent.version import VERSION
from tests.core.given import policy
from tests.report.given import HOST, check, golden

INSTANCE = "99999999-2222-4333-8444-555555555555"
DEPTH = OutboxStats(events=3, size=900, oldest_at="2026-11-23T11:00:00Z", dropped=1, refused=2, last_sequence=17)


def report(status: Any, host: HostFacts = HOST, depth: OutboxStats | None = DEPTH) -> Document:
    return report_document(status, host, version=VERSION, instance_id=INSTANCE, outbox=depth)


@pytest.mark.parametrize("name", ["status", "status-never"])
@pytest.mark.parametrize("depth", [DEPTH, None], ids=["outbox", "no outbox"])
def test_a_report_has_the_shape_of_its_schema(name: str, depth: OutboxStats | None) -> None:
    check("report", report(golden(name), depth=depth))


def test_unknown_fields_are_null() -> None:
    found: Any = report(golden("status-never"), depth=None)

    assert found["lists"] is found["last_outcome"] is found["services"] is found["outbox"] is None
    assert set(found["updates"].values()) == {None}
    assert found["kernel"] == {"running": "6.1.0-18-amd64", "newest": None, "outdated": None}


def test_without_package_lists_nothing_pending_is_unknown() -> None:
    status = golden("status")
    status["plan"]["lists"]["state"] = "never"
    status["plan"] |= {"install": [], "held": [], "other_updates": 0, "hidden_security": [], "esm_only": []}
    found: Any = report(status)

    check("report", found)
    known = {name for name, value in found["updates"].items() if value is not None}
    assert known == {"seen_at", "scope", "plan_id", "repair"}


def test_the_report_has_the_runtime_without_its_timestamp() -> None:
    found: Any = report(golden("status"))

    assert found["kernel"] == {"running": "6.1.0-18-amd64", "newest": "6.1.0-20-amd64", "outdated": True}
    assert found["services"] == {"deleted_files": ["cron.service", "ssh.service"], "failed_restarts": []}


def test_counts_are_those_of_the_plan() -> None:
    status = golden("status")
    found: Any = report(status)

    assert found["updates"]["held"] == len(status["plan"]["held"]) == len(found["updates"]["held_items"])
    assert found["updates"]["security_pending"] == sum(one["security"] for one in status["plan"]["install"])
    assert found["outbox"]["last_sequence"] == 17
    assert found["last_outcome"]["upgraded"] == len(status["last_run"]["upgraded"]) + len(status["last_run"]["new"])


@pytest.mark.parametrize(
    ("settings", "tags"),
    [(ReportedSettings(tags=("web", "eu")), ["web", "eu"]), (ReportedSettings(tags=()), []), (None, None)],
    ids=["two", "none", "unknown"],
)
def test_the_tags_of_the_configuration_are_reported(settings: ReportedSettings | None, tags: object) -> None:
    found: Any = report_document(golden("status"), HOST, version=VERSION, instance_id=INSTANCE, settings=settings)

    check("report", found)
    assert found["host"]["tags"] == tags


@pytest.mark.parametrize(
    ("place", "later"),
    [
        ("plan.install.0", ("cves", "cves_complete")),
        ("plan.held.0", ("cves", "cves_complete")),
        ("plan.lists.errors.0", ("security",)),
    ],
)
def test_what_an_earlier_version_did_not_write_is_null_and_what_a_later_one_writes_is_left_out(
    place: str, later: tuple[str, ...]
) -> None:
    status = golden("status")
    part = status
    for name in place.split("."):
        part = part[int(name) if name.isdigit() else name]
    for name in later:
        del part[name]
    part["of-a-later-version"] = 1

    check("report", report(status))


def changed(status: Any, path: str, value: object) -> Any:
    found = copy.deepcopy(status)
    *parts, last = path.split(".")
    part = found
    for name in parts:
        part = part[name]
    part[last] = value
    return found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("generated_at", "2030-01-01T00:00:00Z"),
        ("plan.seen_at", "2030-01-01T00:00:00Z"),
        ("services.seen_at", "2030-01-01T00:00:00Z"),
        ("jobs.check.last_started_at", "2030-01-01T00:00:00Z"),
        ("jobs.check.next_at", "2030-01-01T00:00:00Z"),
        ("running", {"pid": 7, "job": "check", "since": None, "last_run": False}),
    ],
)
def test_a_timestamp_does_not_change_the_hash(path: str, value: object) -> None:
    status = golden("status")

    assert report(changed(status, path, value))["hash"] == report(status)["hash"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("plan.held", []),
        ("plan.other_updates", 99),
        ("reboot.required", not golden("status")["reboot"]["required"]),
        ("jobs.check.consecutive_failures", 99),
        ("kernel.newest", "6.1.0-21-amd64"),
        ("services.deleted_files", []),
        ("services", None),
        ("exposure.installed", 7),
        ("exposure.fixes", []),
        ("health", "unknown"),
    ],
)
def test_a_changed_field_changes_the_hash(path: str, value: object) -> None:
    status = golden("status")

    assert report(changed(status, path, value))["hash"] != report(status)["hash"]


def test_queued_events_do_not_change_the_hash_and_lost_ones_do() -> None:
    status = golden("status")
    more = OutboxStats(events=9, size=9, oldest_at=None, dropped=1, refused=2, last_sequence=99)
    lost = OutboxStats(events=3, size=900, oldest_at="2026-11-23T11:00:00Z", dropped=2, refused=2, last_sequence=17)

    assert report(status, depth=more)["hash"] == report(status)["hash"]
    assert report(status, depth=lost)["hash"] != report(status)["hash"]


def test_a_report_does_not_contain_the_machine_id() -> None:
    assert "machine" not in str(report(golden("status"))).lower()


def test_a_report_says_which_requests_the_machine_takes_and_whether_they_are_signed() -> None:
    plain = policy()
    changed = replace(
        plain,
        agent=replace(plain.agent, upgrade_window="Sat 02:00-04:00 UTC"),
        requests=RequestsPolicy(allow=("check", "upgrade-security"), signers="/etc/maestro-agent/signers"),
    )
    found: Any = report_document(golden("status"), HOST, version=VERSION, settings=reported_settings(changed))

    check("report", found)
    assert found["requests"] == {
        "allow": ["check", "upgrade-security"],
        "signed": True,
        "windows": ["upgrade-security", "upgrade-fixes"],
    }
    assert found["hash"] != report(golden("status"))["hash"]


def test_a_report_has_the_id_of_the_plan_to_which_a_request_can_be_limited() -> None:
    found: Any = report(golden("status"))

    assert found["updates"]["plan_id"] == golden("status")["plan"]["id"]
