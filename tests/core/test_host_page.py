"""What a host's page shows of a report and of events: unknown stays unknown, and nothing malformed breaks it."""

import copy
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from endpoint.core.host_page.parts import Part
from endpoint.core.host_page.runs import StoredEvent, event_views, run_views
from endpoint.core.host_page.view import host_view
from tests.support.reports import DOCUMENTS, MOMENT, Raw, engine, event, full, golden, unknown

AT = datetime(2026, 11, 23, 8, 10, tzinfo=timezone.utc)


def stored(kind: str, document: Raw | None = None, *, received_s: float = 0.0) -> StoredEvent:
    body = event(kind, document)["body"]
    return StoredEvent(type=kind, received_s=received_s, body=body)


def test_a_full_report_is_shown_with_all_its_parts() -> None:
    view = host_view(full())

    assert (view.system.name, view.system.os, view.health) == ("web-1", "debian 12", full()["health"])
    assert [one.package for one in view.packages.pending or ()] == ["libnew1", "libssl3", "openssl"]
    assert [(one.package, one.code) for one in view.packages.held or ()] == [
        ("docker.io", "runtime-managed"),
        ("nginx", "held-by-admin"),
        ("new-thing", "needs-other-origin"),
    ]
    assert [one.opens for one in view.packages.held or ()][1] == "apt-mark unhold nginx"
    assert [(one.package, one.waits_for, one.units) for one in view.packages.inactive] == [
        ("libssl3", "a restart of services", ("cron.service",)),
        ("curl", "the upgrade", ()),
    ]
    assert view.packages.cves == {"CVE-2024-13176", "CVE-2025-9230", "CVE-2024-41110"}
    assert ("libssl3", "3.0.16-1~deb12u1") in view.packages.versions
    assert (view.reboot.required, view.reboot.since, view.reboot.kernel_outdated) == (True, AT, True)
    assert view.reboot.waiting is not None
    assert view.reboot.waiting.opens is not None
    assert view.reboot.lock is not None
    assert view.reboot.lock.refusal is not None
    assert [one.name for one in view.engines] == ["Docker", "Weave"]
    assert [one.what for one in view.snoozes or ()] == ["CVE-2026-0001"]
    assert [(one.name, one.failures) for one in view.jobs] == [("check", 0), ("upgrade", 2)]
    assert view.last_run is not None
    assert view.queued == (4, 5)


def test_a_release_that_ended_since_the_report_is_not_called_supported() -> None:
    supported, ended = (host_view(full(), has_ended=ended).system.support for ended in (False, True))

    assert supported == "in a later support phase"
    assert ended == host_view({**full(), "release": {"support": "ended"}}).system.support


def test_what_a_report_does_not_say_is_unknown_and_not_nothing() -> None:
    view = host_view(unknown())

    assert (view.packages.pending, view.packages.held, view.packages.exposed) == (None, None, (None, None))
    assert (view.reboot.required, view.reboot.stale_units, view.snoozes) == (None, None, None)
    assert (view.system.name, view.system.os, view.lists.state, view.last_run) == (None, "unknown", None, None)
    assert (view.engines, view.queued) == ((), (None, None))


def test_a_pending_update_has_the_time_of_its_fix() -> None:
    report = full()
    report["updates"]["items"][0]["package"] = "curl"

    pending = host_view(report).packages.pending or ()

    assert [one.since for one in pending] == [AT, None, None]


def test_an_engine_has_its_forecast_and_what_happens_to_each_container() -> None:
    docker = {
        **engine("docker"),
        "downtime": {"expected_s": [2, 9.5], "basis": ["3 restarts of this host"]},
        "containers": [
            {
                "id": "c1",
                "name": "db",
                "state": "running",
                "policy": "no",
                "will": "needs-start",
                "downtime_s": [3, 12],
            },
            {"id": "c2", "name": "web", "state": "running", "policy": "always", "will": "restarts", "downtime_s": None},
        ],
        "blocked": [{"why": "swarm", "detail": "The engine is part of a swarm.", "values": []}],
    }

    (view,) = host_view({**full(), "docker": docker, "weave": None}).engines

    assert (view.downtime_s, view.basis, view.is_due) == ((2.0, 9.5), ("3 restarts of this host",), True)
    assert [(one.name, one.downtime_s) for one in view.containers] == [("db", (3.0, 12.0)), ("web", None)]
    assert view.blocked == (("swarm", "The engine is part of a swarm."),)


def test_an_engine_that_was_not_observed_has_only_the_reason() -> None:
    unseen = {"schema": "maestro.engine-plan/1", "component": "docker", "unseen": "permission denied"}

    (view,) = host_view({**full(), "docker": unseen, "weave": None}).engines

    assert (view.unseen, view.installed, view.running) == ("permission denied", None, "unknown")


def nodes(raw: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value of a document."""
    if path:
        yield path
    pairs: list[tuple[Any, Any]] = list(raw.items()) if isinstance(raw, dict) else []
    pairs += enumerate(raw) if isinstance(raw, list) else []
    for name, part in pairs:
        yield from nodes(part, (*path, name))


def replaced(raw: Raw, path: tuple[Any, ...], value: object) -> Raw:
    changed = copy.deepcopy(raw)
    part: Any = changed
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return changed


OTHERS: tuple[object, ...] = (None, True, 7, float("nan"), "x", [], [7], [[]], {}, {"a": 7})


@pytest.mark.parametrize("section", sorted(full()))
def test_a_report_with_any_value_of_another_type_is_shown(section: str) -> None:
    report = full()
    for path in [(section,), *((section, *path) for path in nodes(report[section]))]:
        for other in OTHERS:
            host_view(replaced(report, path, other))


@pytest.mark.parametrize("kind", [*DOCUMENTS, "engine-outcome", "restart-outcome", "request-refused", "something-new"])
def test_an_event_with_any_value_of_another_type_is_shown(kind: str) -> None:
    body = event(kind, DOCUMENTS.get(kind, golden("outcome")))["body"]
    for path in nodes(body):
        for other in OTHERS:
            changed = [StoredEvent(type=kind, received_s=0.0, body=replaced(body, path, other))]
            assert len([*run_views(changed), *event_views(changed)]) == 1


def test_a_run_has_its_log_of_packages() -> None:
    (run,) = run_views([stored("outcome")])

    assert (run.kind, run.result, run.by, run.duration_s) == ("Upgrade", "failed", "alice", 42.25)
    assert [(one.what, one.package, one.before, one.after) for one in run.changes[:3]] == [
        ("failed", "mariadb-server:amd64", None, None),
        ("upgraded", "libssl3:amd64", "3.0.15-1~deb12u1", "3.0.16-1~deb12u1"),
        ("upgraded", "openssl:amd64", "3.0.15-1~deb12u1", "3.0.16-1~deb12u1"),
    ]
    assert run.summary == "1 failed, 2 upgraded, 1 new, 3 removed, 1 repaired, 3 held"


def test_a_reboot_that_was_begun_and_ended_is_one_run() -> None:
    document = DOCUMENTS["reboot-outcome"]
    begun = stored("reboot-started", {**document, "result": "requested", "finished_at": None}, received_s=1)

    assert [run.result for run in run_views([begun])] == ["end-not-reported"]
    assert [run.result for run in run_views([stored("reboot-outcome", received_s=2), begun])] == [document["result"]]


def test_runs_and_events_are_told_apart_and_come_latest_first() -> None:
    late = copy.deepcopy(golden("outcome"))
    late.update(id="20261124T051000Z", finished_at=(AT + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ"))
    events = [stored("outcome"), stored("outcome", late), stored("job-failed"), stored("reboot-required")]

    assert [run.id for run in run_views(events)] == ["20261124T051000Z", "20261123T051000Z"]
    assert [one.type for one in event_views(events)] == ["job-failed", "reboot-required"]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("rebooted", "booted with kernel 6.1.0-3-amd64"),
        ("reboot-required", "linux-image-amd64, libc6"),
        ("job-failed", "check ended with code 1, no network, 3 times in a row"),
        ("messages-lost", "7 events lost: too-old"),
        ("something-new", ""),
    ],
)
def test_an_event_is_a_sentence(kind: str, text: str) -> None:
    assert event_views([stored(kind)])[0].text == text


def test_a_refused_request_says_why() -> None:
    refused = {"request_id": "0c2d1f0e-4a3b", "why": "not-allowed", "detail": "allow = []"}

    assert event_views([stored("request-refused", refused)])[0].text == (
        "request 0c2d1f0e: the configuration does not allow it: allow = []"
    )


@pytest.mark.parametrize("raw", [None, 7, "x", [], [1]], ids=str)
def test_another_value_than_an_object_is_an_empty_part(raw: object) -> None:
    assert (Part(raw).is_empty, Part(raw).word("name"), Part({"at": MOMENT}).moment("at")) == (True, "unknown", AT)


def test_of_a_huge_report_the_first_lines_are_shown_with_their_number() -> None:
    report = full()
    report["updates"]["items"] *= 3_000
    report["updates"]["held_items"] *= 3_000
    report["updates"]["items"][0]["cves"] = [f"CVE-2026-{number:05}" for number in range(5_000)]
    outcome = copy.deepcopy(golden("outcome"))
    outcome["upgraded"] *= 3_000

    packages, (run,) = host_view(report).packages, run_views([stored("outcome", outcome)])

    assert (len(packages.pending or ()), packages.pending_count) == (500, 9_000)
    assert (len(packages.held or ()), packages.held_count) == (500, 9_000)
    assert len((packages.pending or ())[0].cves or ()) == 100
    assert (packages.pending or ())[0].cves_complete is False
    assert (len(run.changes), run.more_changes) == (300, 5_709)
