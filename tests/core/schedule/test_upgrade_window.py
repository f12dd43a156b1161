"""The daily upgrade in a window: once in each opening, and never outside of one."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from agent.core.job_kinds import JobKind
from agent.core.model.facts import Unseen
from agent.core.schedule.jobs import ScheduleContext, next_runs
from agent.core.schedule.slots import JobAttempts, OnceAnOpening
from agent.core.windows import is_open, parse_window
from tests.core import given

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
POLICY = given.policy().agent
SATURDAY = parse_window("Sat 02:00-04:00", ZoneInfo)
NOW = datetime(2026, 11, 28, 2, 30, tzinfo=UTC)
"""A Saturday, in the window."""
HOST = ScheduleContext(machine="a", zone=UTC, up_since=NOW - timedelta(days=90), upgrade_window=SATURDAY)


def upgrade_at(
    now: datetime = NOW, *, host: ScheduleContext = HOST, ended: datetime | None = None, failures: int = 0
) -> datetime:
    attempts = {JobKind.UPGRADE: JobAttempts(last=ended, failures=failures)} if ended else {}
    return next_runs(POLICY, attempts, host, now)[JobKind.UPGRADE]


def days_of(window: str, zone: ZoneInfo, start: datetime, days: int) -> Iterator[tuple[datetime, datetime]]:
    """Simulate a daemon that looks every 20 minutes: yield each start of an upgrade, and the look that started it."""
    host = replace(HOST, zone=zone, up_since=start, known_since=start, upgrade_window=parse_window(window, ZoneInfo))
    last: datetime | None = None
    for minutes in range(0, days * 24 * 60, 20):
        now = start + timedelta(minutes=minutes)
        at = upgrade_at(now, host=host, ended=last)
        if at <= now:
            yield at, now
            last = now


@pytest.mark.parametrize(
    ("window", "count"),
    [("Sat 02:00-04:00", 4), ("2nd Sat 22:00-02:00", 1), ("daily 01:00-05:00", 30), ("Sun 23:00-01:00", 5)],
)
def test_it_starts_once_in_each_opening_and_never_outside(window: str, count: int) -> None:
    parsed = parse_window(window, ZoneInfo)
    starts = [now for _, now in days_of(window, BERLIN, datetime(2026, 11, 1, tzinfo=UTC), 30)]

    assert all(is_open(parsed, now, BERLIN) for now in starts)
    assert len(starts) == count


@pytest.mark.parametrize(
    "night", [datetime(2026, 3, 27, 12, tzinfo=UTC), datetime(2026, 10, 23, 12, tzinfo=UTC)], ids=["forward", "back"]
)
def test_it_starts_once_in_the_nights_in_which_clocks_change(night: datetime) -> None:
    window = parse_window("daily 02:00-03:30 Europe/Berlin", ZoneInfo)
    starts = [now for _, now in days_of(window.text, BERLIN, night, 4)]

    assert len(starts) == 4
    assert all(is_open(window, now, BERLIN) for now in starts)
    assert len({now.astimezone(BERLIN).date() for now in starts}) == 4


def test_an_upgrade_that_was_missed_waits_for_the_next_opening() -> None:
    wednesday = NOW + timedelta(days=4)

    at = upgrade_at(wednesday, ended=NOW - timedelta(days=30))

    assert datetime(2026, 12, 5, 2, tzinfo=UTC) <= at < datetime(2026, 12, 5, 3, tzinfo=UTC)


def test_a_missed_one_starts_at_this_machines_own_offset() -> None:
    late = replace(HOST, machine="late")
    at = upgrade_at(datetime(2026, 12, 5, 2, tzinfo=UTC), host=late, ended=NOW - timedelta(days=30))

    assert at == upgrade_at(NOW + timedelta(days=4), host=late, ended=NOW - timedelta(days=30))


def test_a_failed_upgrade_is_tried_again_within_the_opening_and_then_in_the_next_one() -> None:
    again = upgrade_at(NOW, ended=NOW, failures=1)
    too_late = datetime(2026, 11, 28, 3, 59, tzinfo=UTC)

    assert NOW < again < NOW + timedelta(minutes=10)
    assert upgrade_at(too_late, ended=too_late, failures=1) >= datetime(2026, 12, 5, 2, tzinfo=UTC)


def test_a_machine_that_boots_in_an_opening_waits_for_the_boot_to_settle() -> None:
    booted = replace(HOST, up_since=NOW)

    at = upgrade_at(NOW, host=booted, ended=NOW - timedelta(days=7))

    assert NOW + timedelta(minutes=5) <= at < NOW + timedelta(minutes=10)


def test_the_offset_has_room_in_half_of_an_opening() -> None:
    slots = OnceAnOpening(window=SATURDAY, splay=timedelta(hours=12), zone=UTC, share=0.999)

    assert slots.next(NOW - timedelta(days=1)) < datetime(2026, 11, 28, 3, tzinfo=UTC)


def test_a_window_that_cannot_be_read_starts_nothing() -> None:
    unread = replace(HOST, upgrade_window=Unseen(reason="no such time zone"))

    assert set(next_runs(POLICY, {}, unread, NOW)) == {JobKind.CHECK}


def test_checks_need_no_window() -> None:
    assert next_runs(POLICY, {}, HOST, NOW + timedelta(days=2))[JobKind.CHECK] <= NOW + timedelta(days=2, minutes=1)
