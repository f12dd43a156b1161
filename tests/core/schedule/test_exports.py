"""When the agent speaks next: slots, failures, clocks that leap, and what a fleet of 100,000 does after an outage."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import pytest

from agent.core.schedule.backoff import LONGEST, ResponseClass
from agent.core.schedule.exports import ExportState, next_export_at, rate_limited, state_after
from agent.core.schedule.slots import Interval, stable_fraction

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
SLOTS = Interval(interval=timedelta(minutes=5), share=0.0)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
NEVER = ExportState()
LONG_AGO = NOON - timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One situation at noon, and when the agent speaks."""

    name: str
    at: datetime
    pulse: ExportState = NEVER
    now: datetime = NOON
    up_since: datetime = LONG_AGO
    changed: bool = False


ROWS = [
    Row(name="at once after a month without a word on a machine that was up", at=LONG_AGO + 5 * MINUTE),
    Row(name="at the next slot after booting", up_since=NOON - SECOND, at=NOON),
    Row(
        name="at the next slot after booting, though slots were missed",
        pulse=ExportState(last=NOON - HOUR),
        up_since=NOON,
        at=NOON + 5 * MINUTE,
    ),
    Row(name="at the slot after the last attempt", pulse=ExportState(last=NOON - MINUTE), at=NOON),
    Row(name="not again within a slot", pulse=ExportState(last=NOON), at=NOON + 5 * MINUTE),
    Row(name="at once where something is new", pulse=ExportState(last=NOON), changed=True, at=NOON),
    Row(
        name="as told after a failure, whatever is new",
        pulse=ExportState(last=NOON - 6 * MINUTE, failures=1, not_before=NOON + MINUTE),
        changed=True,
        at=NOON + MINUTE,
    ),
    Row(
        name="when the wait is over, and not at the next slot",
        pulse=ExportState(last=NOON - MINUTE, failures=1, not_before=NOON - SECOND),
        at=NOON - SECOND,
    ),
    Row(
        name="as ever where the wait was set under a wrong clock",
        pulse=ExportState(last=NOON, failures=1, not_before=NOON + 3 * HOUR),
        at=NOON + 5 * MINUTE,
    ),
    Row(
        name="at once where the clock was set back, whatever it waited for",
        pulse=ExportState(last=NOON + HOUR, failures=1, not_before=NOON + HOUR + 5 * MINUTE),
        at=LONG_AGO + 5 * MINUTE,
    ),
    Row(
        name="as ever where the clock was set back a little",
        pulse=ExportState(last=NOON + 30 * SECOND),
        at=NOON + 5 * MINUTE,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_speaks(row: Row) -> None:
    found = next_export_at(SLOTS, row.pulse, now=row.now, up_since=row.up_since, changed=row.changed)

    assert found == row.at


@pytest.mark.parametrize("leap", [-10 * HOUR, -HOUR, -6 * MINUTE, -30 * SECOND, 30 * SECOND, HOUR, 1000 * HOUR])
def test_a_clock_that_is_set_costs_no_more_than_one_beat(leap: timedelta) -> None:
    pulse = ExportState(last=NOON)

    looks = [NOON + leap + 30 * SECOND * count for count in range(1, 1000)]
    spoke = next(
        look for look in looks if next_export_at(SLOTS, pulse, now=look, up_since=LONG_AGO, changed=False) <= look
    )

    assert spoke - (NOON + leap) <= 6 * MINUTE


def test_a_success_ends_a_row_of_failures() -> None:
    failed = state_after(ResponseClass.RETRY, ExportState(failures=3), now=NOON, chance=0.5)

    assert failed == ExportState(last=NOON, failures=4, not_before=NOON + 2 * MINUTE)
    assert state_after(ResponseClass.OK, failed, now=NOON, chance=0.5) == ExportState(last=NOON)


def test_a_wrong_token_is_tried_again_within_five_minutes_to_a_quarter_of_an_hour() -> None:
    first, last = (
        state_after(ResponseClass.MISCONFIGURED, ExportState(), now=NOON, chance=chance).not_before
        for chance in (0.0, 1.0)
    )

    assert (first, last) == (NOON + 5 * MINUTE, NOON + LONGEST)


def test_a_centre_that_is_broken_is_asked_again_at_the_next_slot() -> None:
    pulse = state_after(ResponseClass.SERVER_ERROR, ExportState(last=NOON), now=NOON, chance=0.5)

    assert next_export_at(SLOTS, pulse, now=NOON, up_since=LONG_AGO, changed=False) == NOON + 5 * MINUTE
    assert pulse.failures == 1


def test_what_waited_is_sent_no_faster_than_the_burst_allows() -> None:
    pulse = rate_limited(ExportState(last=NOON), sent=250, burst=500)

    assert next_export_at(SLOTS, pulse, now=NOON, up_since=LONG_AGO, changed=True) == NOON + 30 * SECOND


AGENTS = 100_000
STEADY = AGENTS / 300
"""Requests a second of a fleet that is well."""
Answer = tuple[ResponseClass, timedelta | None]
Centre = Callable[[datetime], Answer]


def arrivals(number: int, centre: Centre, begin: datetime, end: datetime) -> list[datetime]:
    """Return when one agent of the fleet speaks, by the agent's own code."""
    lots = random.Random(number)  # noqa: S311 - a simulation
    slots = Interval(interval=timedelta(minutes=5), share=stable_fraction(str(number), "report"))
    pulse, now = ExportState(last=begin), begin
    found: list[datetime] = []
    while True:
        now = max(next_export_at(slots, pulse, now=now, up_since=LONG_AGO, changed=False), now)
        if now >= end:
            return found
        found.append(now)
        verdict, told = centre(now)
        pulse = state_after(verdict, pulse, now=now, chance=lots.random(), told=told)


def down_for(length: timedelta, answer: Callable[[timedelta], Answer]) -> Centre:
    """Return a centre that is away from noon on and gives this answer, by how long it will still be away."""
    return lambda now: answer(NOON + length - now) if NOON <= now < NOON + length else (ResponseClass.OK, None)


OUTAGES = {
    "an hour of refused connections": (HOUR, lambda _left: (ResponseClass.RETRY, None), AGENTS),
    "an hour of 503 with a date": (HOUR, lambda left: (ResponseClass.RETRY, left), 20_000),
    "an hour of 503 with a second": (HOUR, lambda _left: (ResponseClass.RETRY, SECOND), 20_000),
    "an hour of wrong tokens": (HOUR, lambda _left: (ResponseClass.MISCONFIGURED, None), 20_000),
    "an hour of 500": (HOUR, lambda _left: (ResponseClass.SERVER_ERROR, None), 20_000),
    "five minutes of 503 with a date": (5 * MINUTE, lambda left: (ResponseClass.RETRY, left), 20_000),
    "a minute of refused connections": (MINUTE, lambda _left: (ResponseClass.RETRY, None), 20_000),
}


@pytest.mark.parametrize("name", OUTAGES)
def test_after_an_outage_a_fleet_returns_at_no_more_than_three_times_the_steady_rate(name: str) -> None:
    length, answer, agents = OUTAGES[name]
    centre = down_for(length, answer)
    back = NOON + length
    seconds: Counter[int] = Counter()
    latest = back

    for number in range(agents):
        came = [at for at in arrivals(number, centre, NOON - 5 * MINUTE, back + 40 * MINUTE) if at >= back]
        latest = max(latest, came[0])
        seconds.update(int((at - back).total_seconds()) for at in came)

    # 20,000 agents are looked at for five seconds, as 100,000 for one: the rest would be chance
    width = AGENTS // agents
    rates: Counter[int] = Counter()
    for second, count in seconds.items():
        rates[second // width] += count
    peak = max(rates.values()) / STEADY
    print(f"{name}: peak {peak:.2f} x steady, all back after {(latest - back) / MINUTE:.1f} min")
    assert peak <= 3
    assert latest - back <= 35 * MINUTE
