"""The running kernel and services in `status`: known for the current boot only, and never a reason for attention."""

from datetime import timedelta
from typing import Any

import pytest

from agent.core.model.facts import Unseen
from agent.core.model.kernels import UNKNOWN_KERNEL, RunningKernel
from agent.core.reboot.services import ServiceScan
from agent.errors import RecordError
from agent.report.status.document import build_status
from agent.report.status.health import Health
from agent.report.status.lines import status_lines
from agent.report.status.observed import CurrentBoot, Observed
from agent.report.status.runtime import Runtime
from agent.state.documents.plan import plan_to_document, runtime_to_document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc
from agent.state.views import StateView
from tests.core import given

NOW = given.NOW
PRESENT = CurrentBoot(given.BOOT, "6.1.0-2-amd64")
OUTDATED = RunningKernel(running="6.1.0-2-amd64", newest="6.1.0-3-amd64", outdated=True)
NOT_KNOWN = {"kernel": {"running": "6.1.0-2-amd64", "newest": None, "outdated": None}, "services": None}


def record(
    kernel: RunningKernel = OUTDATED, *units: str, unseen: str = "", boot_id: str | None = given.BOOT
) -> dict[str, Any]:
    watched = ServiceScan(boot_id=boot_id, replaced=Unseen(reason=unseen) if unseen else units)
    return {
        "generated_at": format_utc(NOW - timedelta(hours=2)),
        "fresh_until": format_utc(NOW + timedelta(hours=36)),
        **runtime_to_document(kernel, watched),
        "plan": plan_to_document(given.plan(), NOW),
    }


def part(state: dict[str, Any] | None, present: CurrentBoot = PRESENT) -> dict[str, Any]:
    return Runtime(StateView(JsonReader(state, "state")) if state is not None else None, present).document


def text(state: dict[str, Any]) -> list[str]:
    status = build_status(Observed(state=StateView(JsonReader(state, "state")), boot=PRESENT), NOW)
    assert (status.health, status.attention) == (Health.HEALTHY, [])
    lines = status_lines(status)
    return [line for line in lines if line.startswith(("Kernel", "Restart"))]


def test_an_observation_of_this_boot_is_shown_with_its_time() -> None:
    assert part(record(OUTDATED, "cron.service")) == {
        "kernel": {"running": "6.1.0-2-amd64", "newest": "6.1.0-3-amd64", "outdated": True},
        "services": {"seen_at": "2026-11-23T03:10:00Z", "deleted_files": ["cron.service"]},
    }


@pytest.mark.parametrize(
    ("state", "present"),
    [
        (None, PRESENT),
        (record(boot_id="b0000000-0000-4000-8000-000000000002"), PRESENT),
        (record(boot_id=None), PRESENT),
        (record(boot_id=None), CurrentBoot(None, "6.1.0-2-amd64")),
        (record(), CurrentBoot(None, "6.1.0-2-amd64")),
        ({name: record()[name] for name in ("generated_at", "fresh_until", "plan")}, PRESENT),
    ],
    ids=[
        "no record",
        "another boot",
        "seen in no boot",
        "no boot at all",
        "no boot now",
        "an earlier version's record",
    ],
)
def test_an_observation_of_another_boot_is_unknown(state: dict[str, Any] | None, present: CurrentBoot) -> None:
    assert part(state, present) == NOT_KNOWN


def test_processes_that_could_not_be_scanned_are_not_shown_as_none() -> None:
    assert part(record(UNKNOWN_KERNEL, unseen="/proc/1/exe: Permission denied")) == NOT_KNOWN
    assert part(record())["services"]["deleted_files"] == []


@pytest.mark.parametrize(
    "damage",
    [
        {"boot_id": 7},
        {"kernel": 7},
        {"kernel": {"running": 7, "newest": "x", "outdated": True}},
        {"kernel": {"running": "x", "newest": "x", "outdated": 1}},
        {"services": []},
        {"services": {"deleted_files": ["a", 7]}},
    ],
    ids=str,
)
def test_a_malformed_record_is_an_error_with_its_place(damage: dict[str, Any]) -> None:
    with pytest.raises(RecordError, match="state: "):
        part({**record(), **damage})


@pytest.mark.parametrize(
    ("kernel", "line"),
    [
        (OUTDATED, "6.1.0-2-amd64; 6.1.0-3-amd64 is installed and needs a reboot"),
        (
            RunningKernel(running="6.1.0-2-amd64", newest="6.1.0-2-amd64", outdated=True),
            "6.1.0-2-amd64; a newer build of it is installed and needs a reboot",
        ),
        (
            RunningKernel(running="6.1.0-2-amd64", newest="6.1.0-2-amd64", outdated=False),
            "6.1.0-2-amd64, the newest installed",
        ),
        (UNKNOWN_KERNEL, "6.1.0-2-amd64; newest installed kernel unknown"),
    ],
)
def test_the_kernel_line(kernel: RunningKernel, line: str) -> None:
    assert text(record(kernel))[0] == f"Kernel       {line}"


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (record(), "no service runs deleted files, checked 2 hours ago"),
        (record(OUTDATED, "a.service"), "1 service runs deleted files, checked 2 hours ago: a.service"),
        (
            record(OUTDATED, *(f"{letter}.service" for letter in "abcdefghij")),
            "10 services run deleted files, checked 2 hours ago: a.service, b.service, c.service, d.service, "
            "e.service, f.service, g.service, h.service and 2 more",
        ),
        (record(unseen="no"), "unknown which services run deleted files"),
    ],
)
def test_the_services_line_changes_no_health(state: dict[str, Any], line: str) -> None:
    assert text(state)[1] == f"Restart      {line}"
