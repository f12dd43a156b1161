"""When an exporter runs next: slots, failures, clock changes, and a fleet after an outage."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import pytest

from agent.core.schedule.backoff import LONGEST, ResponseClass
from agent.core.schedule.exports import ExportSchedule, ExportState, ExportTick
from agent.core.schedule.slots import Interval
from tests.support.fleet import HOUR, MINUTE, OUTAGES, simulate

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
SLOTS = Interval(interval=timedelta(minutes=5), share=0.0)
SECOND = timedelta(seconds=1)
NEVER = ExportState()
LONG_AGO = NOON - timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One situation at noon, and the time of the next export."""

    name: str
    at: datetime
    state: ExportState = NEVER
    now: datetime = NOON
    up_since: datetime = LONG_AGO
    changed: bool = False


ROWS = [
    Row(name="at once after a month without an attempt on a machine that was up", at=LONG_AGO + 5 * MINUTE),
    Row(name="at the next slot after boot", up_since=NOON - SECOND, at=NOON),
    Row(
        name="at the next slot after boot, without a catch-up for missed slots",
        state=ExportState(last=NOON - HOUR),
        up_since=NOON,
        at=NOON + 5 * MINUTE,
    ),
    Row(name="at the slot after the last attempt", state=ExportState(last=NOON - MINUTE), at=NOON),
    Row(name="not again within a slot", state=ExportState(last=NOON), at=NOON + 5 * MINUTE),
    Row(name="at once if something is new", state=ExportState(last=NOON), changed=True, at=NOON),
    Row(
        name="not before the backoff ends, even if something is new",
        state=ExportState(last=NOON - 6 * MINUTE, failures=1, not_before=NOON + MINUTE),
        changed=True,
        at=NOON + MINUTE,
    ),
    Row(
        name="when the backoff ends, not at the next slot",
        state=ExportState(last=NOON - MINUTE, failures=1, not_before=NOON - SECOND),
        at=NOON - SECOND,
    ),
    Row(
        name="at the next slot if the backoff was set under a wrong clock",
        state=ExportState(last=NOON, failures=1, not_before=NOON + 3 * HOUR),
        at=NOON + 5 * MINUTE,
    ),
    Row(
        name="at once if the clock was set back, without the backoff",
        state=ExportState(last=NOON + HOUR, failures=1, not_before=NOON + HOUR + 5 * MINUTE),
        at=LONG_AGO + 5 * MINUTE,
    ),
    Row(
        name="at the next slot if the clock was set back a little",
        state=ExportState(last=NOON + 30 * SECOND),
        at=NOON + 5 * MINUTE,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_next_export(row: Row) -> None:
    found = row.state.next(SLOTS, now=row.now, up_since=row.up_since, changed=row.changed)

    assert found == row.at


@pytest.mark.parametrize("leap", [-10 * HOUR, -HOUR, -6 * MINUTE, -30 * SECOND, 30 * SECOND, HOUR, 1000 * HOUR])
def test_clock_change_costs_at_most_one_heartbeat(leap: timedelta) -> None:
    state = ExportState(last=NOON)

    ticks = [NOON + leap + 30 * SECOND * count for count in range(1, 1000)]
    spoke = next(tick for tick in ticks if state.next(SLOTS, now=tick, up_since=LONG_AGO, changed=False) <= tick)

    assert spoke - (NOON + leap) <= 6 * MINUTE


def test_success_resets_the_failures() -> None:
    failed = ExportState(failures=3).after(ResponseClass.RETRY, now=NOON, chance=0.5)

    assert failed == ExportState(last=NOON, failures=4, not_before=NOON + 2 * MINUTE)
    assert failed.after(ResponseClass.OK, now=NOON, chance=0.5) == ExportState(last=NOON)


def test_misconfiguration_is_retried_after_5_to_15_minutes() -> None:
    first, last = (
        ExportState().after(ResponseClass.MISCONFIGURED, now=NOON, chance=chance).not_before for chance in (0.0, 1.0)
    )

    assert (first, last) == (NOON + 5 * MINUTE, NOON + LONGEST)


def test_server_error_is_retried_at_the_next_slot() -> None:
    state = ExportState(last=NOON).after(ResponseClass.SERVER_ERROR, now=NOON, chance=0.5)

    assert state.next(SLOTS, now=NOON, up_since=LONG_AGO, changed=False) == NOON + 5 * MINUTE
    assert state.failures == 1


def test_queued_events_are_sent_no_faster_than_the_burst() -> None:
    state = ExportState(last=NOON).rate_limited(sent=250, burst=500)

    assert state.next(SLOTS, now=NOON, up_since=LONG_AGO, changed=True) == NOON + 30 * SECOND


@pytest.mark.parametrize("name", OUTAGES)
def test_fleet_returns_after_an_outage_at_no_more_than_three_times_the_steady_rate(name: str) -> None:
    found = simulate(OUTAGES[name], 2000)

    print(f"{name}: peak {found.peak:.2f} x steady, all back after {found.all_back / MINUTE:.1f} min")
    assert found.peak <= 3
    assert found.all_back <= 35 * MINUTE


def exporter_tick(minutes: float, *, seen: object = "same", local: bool = False) -> ExportTick:
    return ExportTick(now=NOON + minutes * MINUTE, up_since=LONG_AGO, slots=SLOTS, local=local, seen=seen)


STARTED = ExportSchedule().configured("settings").started(exporter_tick(0))


def is_due(schedule: ExportSchedule, state: ExportState, tick: ExportTick) -> bool:
    return schedule.next(state, tick)[0] <= tick.now


def test_schedule_starts_at_once_only_for_something_new() -> None:
    state = ExportState(last=NOON)

    assert not is_due(STARTED, state, exporter_tick(1))
    assert not is_due(STARTED, state, exporter_tick(1, seen=None))
    assert is_due(STARTED, state, exporter_tick(1, seen="new"))


def test_schedule_of_a_new_daemon_ignores_the_backoff_of_an_earlier_one() -> None:
    state = ExportState(last=NOON, failures=9, not_before=NOON + timedelta(hours=1))

    assert is_due(ExportSchedule().configured("settings"), state, exporter_tick(10))


def test_schedule_after_new_settings_ignores_the_backoff() -> None:
    failing = ExportState(last=NOON, failures=9, not_before=NOON + 60 * MINUTE)
    changed = STARTED.configured("other settings")

    assert not is_due(STARTED, failing, exporter_tick(6))
    assert is_due(changed, failing, exporter_tick(6))
    assert not is_due(changed.started(exporter_tick(6)), failing, exporter_tick(12))
    assert changed.configured("other settings") == changed


def test_schedule_of_a_local_exporter_starts_at_once_the_first_time() -> None:
    first = ExportSchedule().configured("settings")

    assert is_due(first, ExportState(last=NOON), exporter_tick(1, local=True))
    assert not is_due(STARTED, ExportState(last=NOON), exporter_tick(1, local=True))
    assert is_due(STARTED.configured("other settings"), ExportState(last=NOON), exporter_tick(1, local=True))


def test_schedule_of_a_process_that_writes_no_status_waits_for_the_next_slot() -> None:
    assert not is_due(STARTED, ExportState(), exporter_tick(1))
    assert is_due(STARTED, ExportState(), exporter_tick(6))


def test_schedule_names_the_time_at_which_it_becomes_due() -> None:
    due_at, later = STARTED.next(ExportState(last=NOON), exporter_tick(1))

    assert due_at == NOON + 5 * MINUTE
    assert not is_due(later, ExportState(last=NOON), exporter_tick(4.99))
    assert is_due(later, ExportState(last=NOON), exporter_tick(5))


def test_an_attempt_in_the_first_second_of_its_slot_counts_though_documents_have_whole_seconds() -> None:
    slots = Interval(interval=timedelta(minutes=5), share=0.001)  # 0.3 s after each fifth minute
    started, later = (replace(exporter_tick(at / 60), slots=slots) for at in (0.4, 1.2))

    assert is_due(STARTED, ExportState(last=NOON - 5 * MINUTE), started)
    assert not is_due(STARTED.started(started), ExportState(last=NOON), later)
