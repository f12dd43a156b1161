"""The process reserves numbers for the daemon's heartbeats, once everything else was delivered."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from agent.core.exporters import ExporterName
from agent.core.schedule.backoff import ResponseClass
from agent.core.schedule.exports import ExportState
from agent.host.machine.identity import host_id
from agent.report.export_result import ExporterLog, ExportResult
from agent.report.heartbeat_lease import (
    BLOCK,
    HeartbeatLease,
    lease_after,
    lease_from_document,
    lease_to_document,
)
from agent.report.outbox.file import open_outbox
from agent.report.outbox.stream_state import Loss, StreamState
from agent.state.exporter_status import read_exporter_status
from agent.state.timestamps import format_utc
from tests.report.test_registry import DONE, LIMIT, QUEUE, FakeExporter, runner

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
LEASE = HeartbeatLease(
    holder="a1", url="https://e.example", host_id="h", instance_id="i", hash="f00", booted_at=None, first=8, last=507
)
SETTLED = StreamState(
    url="https://e.example", host_id="h", instance_id="i", sent_hash="f00", state_sequence=7, cursor={"open": []}
)


def test_lease_has_the_next_numbers() -> None:
    assert lease_after(SETTLED, "a1", "f00", NOON) == LEASE
    assert LEASE.last - LEASE.first + 1 == BLOCK


@pytest.mark.parametrize(
    "change",
    [
        {"sent_hash": "other"},
        {"sent_hash": None},
        {"url": None},
        {"batches_until": NOON + timedelta(hours=1)},
        {"lost": Loss(count=1, first_sequence=1, last_sequence=1, reason="too-old")},
        {"cursor": {"open": ["20261123T115900Z"]}},
        {"cursor": {"begun": ["20261123T115900Z"]}},
    ],
    ids=lambda change: ",".join(f"{name}={value}" for name, value in change.items())[:40],
)
def test_there_is_no_lease_while_the_process_is_needed(change: dict[str, object]) -> None:
    assert lease_after(replace(SETTLED, **change), "a1", "f00", NOON) is None  # type: ignore[arg-type]


def test_clock_that_was_set_back_does_not_prolong_the_time_of_batches() -> None:
    assert lease_after(replace(SETTLED, batches_until=NOON + timedelta(days=2)), "a1", "f00", NOON) == LEASE


def test_nobody_gets_no_lease() -> None:
    assert lease_after(SETTLED, "", "f00", NOON) is None


def test_lease_survives_its_document() -> None:
    assert lease_from_document(lease_to_document(LEASE)) == LEASE


@pytest.mark.parametrize(
    "change",
    [{"holder": ""}, {"url": None}, {"hash": 7}, {"first": 0}, {"first": True}, {"last": "9"}, {"last": 7}],
    ids=str,
)
def test_malformed_lease_is_none(change: dict[str, object]) -> None:
    assert lease_from_document({**lease_to_document(LEASE), **change}) is None
    assert lease_from_document(None) is lease_from_document([]) is None


def test_numbers_are_reserved_before_the_status_file_has_them(tmp_path: Path) -> None:
    exporter = FakeExporter(replace(DONE, lease=LEASE), DONE, queue=QUEUE)
    runner(tmp_path, exporter).run(LIMIT)
    found = read_exporter_status(str(tmp_path / "run"), ExporterName.OTLP)
    assert found is not None
    assert lease_from_document(found.raw["heartbeats"]) == LEASE

    runner(tmp_path, exporter).run(LIMIT)

    after = exporter.contexts[1].outbox
    assert after is not None
    assert after.state.state_sequence == LEASE.last
    found = read_exporter_status(str(tmp_path / "run"), ExporterName.OTLP)
    assert found is not None
    assert found.raw["heartbeats"] is None


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(hours=3)], ids=["", "clock-was-set-back"])
def test_failures_of_the_daemon_are_continued_by_the_process(ahead: timedelta, tmp_path: Path) -> None:
    failed = ExportResult(response_class=ResponseClass.RETRY, why="HTTP 503")
    exporter = FakeExporter(DONE, failed, queue=QUEUE)
    runner(tmp_path, exporter).run(LIMIT)
    status = read_exporter_status(str(tmp_path / "run"), ExporterName.OTLP)
    assert status is not None
    now = datetime.now(timezone.utc)
    with (
        open_outbox(str(tmp_path / "state" / QUEUE.directory), host_id(), QUEUE.limits, now) as box,
        box.transaction() as tx,
    ):
        tx.state = replace(tx.state, export_state=replace(tx.state.export_state, last=now + ahead))
    entry: dict[str, object] = {"why": "HTTP 503", "failing_since": "2026-11-23T12:00:00Z", "last_success_at": None}
    ExporterLog(ExporterName.OTLP, str(tmp_path / "run"), "").record(
        failed, entry, entry, ExportState(last=now, failures=4), str(status.raw["instance_id"])
    )

    runner(tmp_path, exporter).run(LIMIT)

    found: Any = read_exporter_status(str(tmp_path / "run"), ExporterName.OTLP)
    assert found.raw["export_state"]["failures"] == 5
    assert found.raw["exporters"]["otlp"]["failing_since"] == "2026-11-23T12:00:00Z"


def test_times_from_before_the_clock_was_set_back_never_outrank_an_attempt(tmp_path: Path) -> None:
    """The status file's, too: of the daemon's last attempts while the clock was ahead."""
    failed = ExportResult(response_class=ResponseClass.RETRY, why="HTTP 503")
    exporter = FakeExporter(DONE, failed, queue=QUEUE)
    runner(tmp_path, exporter).run(LIMIT)
    status = read_exporter_status(str(tmp_path / "run"), ExporterName.OTLP)
    assert status is not None
    ahead = datetime.now(timezone.utc) + timedelta(hours=3)
    entry: dict[str, object] = {"why": "", "failing_since": None, "last_success_at": format_utc(ahead)}
    ExporterLog(ExporterName.OTLP, str(tmp_path / "run"), "").record(
        DONE, entry, entry, ExportState(last=ahead), str(status.raw["instance_id"])
    )

    runner(tmp_path, exporter).run(LIMIT)

    found: Any = read_exporter_status(str(tmp_path / "run"), ExporterName.OTLP)
    after = found.raw["exporters"]["otlp"]
    assert after["last_success_at"] <= after["failing_since"]
