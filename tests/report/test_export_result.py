"""What is recorded of an exporter's attempts, one after the other."""

from datetime import datetime, timedelta, timezone

import pytest

from agent.core.schedule.backoff import ResponseClass
from agent.core.schedule.exports import ExportState
from agent.report.export_result import ExportResult, state_after
from agent.state.timestamps import format_utc

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
AWAY = ExportResult(response_class=ResponseClass.RETRY, why="no route to host")


@pytest.mark.parametrize(
    ("recorded", "since"),
    [
        (format_utc(NOON - timedelta(days=3)), NOON - timedelta(days=3)),
        (None, NOON),
        (format_utc(NOON + timedelta(days=400)), NOON),
        ("soon", NOON),
    ],
    ids=["earlier", "first", "clock-was-ahead", "malformed"],
)
def test_a_failure_began_at_its_first_attempt_and_not_after_now(recorded: str | None, since: datetime) -> None:
    entry, state = state_after({"failing_since": recorded}, ExportState(), AWAY, now=NOON)
    later, _ = state_after(entry, state, AWAY, now=NOON + timedelta(hours=2))

    assert entry["failing_since"] == later["failing_since"] == format_utc(since)


@pytest.mark.parametrize(
    ("recorded", "carried"),
    [
        (format_utc(NOON - timedelta(days=3)), format_utc(NOON - timedelta(days=3))),
        (format_utc(NOON + timedelta(hours=3)), format_utc(NOON)),
        (None, None),
    ],
    ids=["earlier", "clock-was-ahead", "none-yet"],
)
def test_a_failure_leaves_the_last_success_and_no_time_after_now(recorded: str | None, carried: str | None) -> None:
    entry, _ = state_after({"last_success_at": recorded}, ExportState(), AWAY, now=NOON)

    assert entry["last_success_at"] == carried


def test_a_success_ends_the_failure() -> None:
    entry, _ = state_after({"failing_since": format_utc(NOON)}, ExportState(), ExportResult(), now=NOON)

    assert entry["failing_since"] is None
    assert entry["last_success_at"] == format_utc(NOON)
