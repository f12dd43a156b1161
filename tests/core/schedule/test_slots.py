"""When jobs are due: clocks that jump, machines that were off, fleets of a hundred thousand."""

from collections import Counter
from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from agent.core.schedule.slots import Daily, Interval, JobAttempts, next_run_at, retry_delay, stable_fraction

BERLIN = ZoneInfo("Europe/Berlin")
UTC = timezone.utc


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def daily(**changes: object) -> Daily:
    return Daily(**{"at": time(4), "splay": timedelta(hours=2), "zone": UTC, "share": 0.5, **changes})  # type: ignore[arg-type]


def next_due(
    now: str, last: str | None, *, up: str = "2026-01-01T00:00", failures: int = 0, at_first: bool = False
) -> datetime:
    attempts = JobAttempts(last=at(last) if last else None, failures=failures)
    return next_run_at(daily(), attempts, now=at(now), up_since=at(up), share=0.5, at_first=at_first)


def test_a_fleet_spreads_evenly_over_the_window() -> None:
    opens = at("2026-03-05T04:00")
    slots = (daily(share=stable_fraction(f"machine-{number:06}", "upgrade")) for number in range(100_000))
    minutes = Counter((each.slot(opens.date()) - opens) // timedelta(minutes=1) for each in slots)

    assert set(minutes) == set(range(120))
    assert max(minutes.values()) / (100_000 / 120) <= 1.2


def test_the_offset_of_a_machine_is_stable_and_differs_by_purpose() -> None:
    assert stable_fraction("a", "upgrade") == stable_fraction("a", "upgrade")
    assert stable_fraction("a", "upgrade") != stable_fraction("a", "check")
    assert 0 <= stable_fraction("", "") < 1


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2026-03-28", "2026-03-28T01:30"),
        ("2026-03-29", "2026-03-29T01:30"),  # 02:30 does not exist: half an hour after the change
        ("2026-03-30", "2026-03-30T00:30"),
        ("2026-10-24", "2026-10-24T00:30"),
        ("2026-10-25", "2026-10-25T00:30"),  # 02:30 comes twice: the first counts
        ("2026-10-26", "2026-10-26T01:30"),
    ],
)
def test_each_local_day_has_one_slot_across_daylight_saving(day: str, expected: str) -> None:
    slots = daily(at=time(2, 30), splay=timedelta(0), zone=BERLIN)

    assert slots.slot(at(f"{day}T00:00").date()) == at(expected)


def test_a_year_with_daylight_saving_has_one_run_a_day() -> None:
    slots = daily(at=time(2, 30), zone=BERLIN)
    now, runs = at("2026-01-01T12:00"), []
    while (now := slots.next(now)) < at("2027-01-01T12:00"):
        runs.append(now.astimezone(BERLIN).date())

    assert len(runs) == len(set(runs)) == 365


@pytest.mark.parametrize(
    ("case", "now", "last", "expected"),
    [
        ("it ran today", "2026-03-05T12:00", "2026-03-05T05:01", "2026-03-06T05:00"),
        ("its slot is now", "2026-03-05T05:00", "2026-03-04T05:01", "2026-03-05T05:00"),
        ("its slot is in a minute", "2026-03-05T04:59", "2026-03-04T05:01", "2026-03-05T05:00"),
        ("it was never attempted", "2026-03-05T12:00", None, "2026-03-05T05:00"),
        ("it ran by hand before its slot", "2026-03-05T04:00", "2026-03-05T03:00", "2026-03-05T05:00"),
    ],
)
def test_a_machine_that_is_always_on_runs_at_its_slot(case: str, now: str, last: str | None, expected: str) -> None:
    assert next_due(now, last) == at(expected), case


@pytest.mark.parametrize("last", ["2026-03-04T05:01", "2026-02-05T05:01", "2025-03-05T05:01"])
def test_a_run_missed_while_off_gets_one_catch_up_run_after_the_boot_grace(last: str) -> None:
    boot = "2026-03-05T09:00"

    first = next_due("2026-03-05T09:00", last, up=boot)
    after = next_due("2026-03-05T09:20", "2026-03-05T09:15", up=boot)

    assert at("2026-03-05T09:05") <= first <= at("2026-03-05T09:10")
    assert after == at("2026-03-06T05:00")


def test_a_job_never_attempted_waits_for_its_slot_or_is_due_at_first() -> None:
    up = "2026-03-05T09:00"

    assert next_due(up, None, up=up) == at("2026-03-06T05:00")
    assert at("2026-03-05T09:00") < next_due(up, None, up=up, at_first=True) <= at("2026-03-05T09:01")


def test_a_slot_that_passed_without_any_attempt_stays_due() -> None:
    assert next_due("2026-03-06T05:10", None, up="2026-03-05T09:00") <= at("2026-03-06T05:10")


def test_a_failed_run_is_retried_before_the_next_slot_with_a_growing_delay() -> None:
    waits = [
        next_due("2026-03-05T05:10", "2026-03-05T05:05", failures=failures) - at("2026-03-05T05:05")
        for failures in range(1, 12)
    ]

    assert waits[0] == timedelta(minutes=5)
    assert waits == sorted(waits)
    assert max(waits) == timedelta(hours=4)


def test_retries_of_a_fleet_are_spread() -> None:
    waits = {retry_delay(1, stable_fraction(f"machine-{number}", "retry")) for number in range(1000)}

    assert max(waits) - min(waits) > timedelta(minutes=2)


def test_a_retry_never_passes_the_next_slot() -> None:
    assert next_due("2026-03-06T04:30", "2026-03-06T04:20", failures=9) == at("2026-03-06T05:00")


def test_an_attempt_recorded_by_a_clock_that_was_ahead_does_not_block_the_job() -> None:
    assert next_due("2026-03-05T12:00", "2027-08-01T00:00", up="2026-03-05T11:00") <= at("2026-03-05T12:00")


def test_a_forward_clock_jump_makes_exactly_one_run_due() -> None:
    jumped = next_due("2026-09-01T12:00", "2026-03-05T05:01", up="2026-03-01T00:00")
    after = next_due("2026-09-01T12:30", "2026-09-01T12:10", up="2026-03-01T00:00")

    assert jumped <= at("2026-09-01T12:00")
    assert after == at("2026-09-02T05:00")


def test_an_interval_has_its_slots_at_a_per_machine_offset() -> None:
    slots = Interval(interval=timedelta(hours=6), share=0.25)

    assert slots.last(at("2026-03-05T07:31")) == at("2026-03-05T07:30")
    assert slots.next(at("2026-03-05T07:31")) == at("2026-03-05T13:30")
