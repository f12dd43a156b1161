"""Reports are made from any record: a damaged part costs only itself."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.report.event_source import EventSource
from agent.report.outbox.file import open_outbox
from agent.report.outbox.transaction import OutboxLimits
from agent.report.source import ReportSource
from agent.state.daemon_status import DaemonStatusFile
from agent.state.store import Store
from tests.report.given import HOST, NOON, check, golden


def source_of(directory: Path, state: Any, outcome: Any) -> ReportSource:
    """Return the source of a machine with this record."""
    (directory / "history").mkdir()
    for name, document in (("state", state), (f"history/{golden('outcome')['id']}", outcome)):
        (directory / f"{name}.json").write_text(json.dumps(document))
    return ReportSource(Store(str(directory)), str(directory / "run"))


def test_reach_beyond_the_calendar_starts_at_the_first_run(tmp_path: Path) -> None:
    source_of(tmp_path, state(), golden("outcome"))
    events = EventSource(Store(str(tmp_path)), str(tmp_path / "run"))
    reach = timedelta(days=999_999)
    bounds = OutboxLimits(size=1_000_000, age=reach)

    with open_outbox(str(tmp_path / "outbox"), HOST.id, bounds, NOON) as outbox:
        events.enqueue(outbox, reach)
        assert [json.loads(event.body)["type"] for event in outbox.next_events(9, 1 << 20)][:2] == [
            "outbox-begun",
            "outcome",
        ]


def state(**changes: object) -> Any:
    status = golden("status")
    parts = {name: status[name] for name in ("generated_at", "kernel", "services", "plan")}
    return {"schema": "maestro.state/1", "fresh_until": status["generated_at"], **parts, **changes}


def test_intact_record_is_reported_completely(tmp_path: Path) -> None:
    found: Any = source_of(tmp_path, state(), golden("outcome")).preview()

    check("report", found)
    assert found["updates"]["items"]
    assert found["last_outcome"]["id"] == golden("outcome")["id"]


@pytest.mark.parametrize(
    ("field", "value"), [("failed", None), ("failed", [7]), ("message", 7), ("finished_at", 1.5), ("message", ["x"])]
)
def test_malformed_run_is_named_in_the_reasons(field: str, value: object, tmp_path: Path) -> None:
    found: Any = source_of(tmp_path, state(), {**golden("outcome"), field: value}).preview()

    check("report", found)
    assert found["last_outcome"] is None
    assert any(field in reason for reason in found["reasons"])


@pytest.mark.parametrize("field", ["version", "started_at", "doing"])
def test_malformed_status_of_the_daemon_is_named_in_the_reasons(field: str, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    daemon = DaemonStatusFile(str(run_dir), NOON)
    daemon.publish(NOON, {}, "", [], next_look_at=NOON, upgrades=True)
    file = run_dir / "daemon.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), field: 7}))

    found: Any = source_of(tmp_path, state(), golden("outcome")).preview()

    check("report", found)
    assert found["agent"]["started_at"] is None
    assert any(field in reason for reason in found["reasons"])


def test_malformed_exit_code_of_a_job_is_named_in_the_reasons(tmp_path: Path) -> None:
    source = source_of(tmp_path, state(), golden("outcome"))
    at = "2026-11-23T11:00:00Z"
    jobs = {"check": {"started_at": at, "finished_at": at, "exit_code": [0], "failures": 0}}
    (tmp_path / "jobs.json").write_text(json.dumps({"schema": "maestro.jobs/1", "jobs": jobs}))

    found: Any = source.preview()

    check("report", found)
    assert any("exit_code" in reason for reason in found["reasons"])
