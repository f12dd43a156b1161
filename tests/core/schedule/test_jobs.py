"""Which job is due, and when."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest

from agent.core.job_kinds import JobKind
from agent.core.schedule.jobs import ScheduleContext, next_runs
from agent.core.schedule.slots import JobAttempts
from tests.core import given

UTC = timezone.utc
POLICY = given.policy().agent
"""A check every six hours, an upgrade at four o'clock with a splay of two hours."""
NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
HOST = ScheduleContext(machine="a", zone=UTC, up_since=NOW - timedelta(days=30))


def ago(hours: float, failures: int = 0) -> JobAttempts:
    return JobAttempts(last=NOW - timedelta(hours=hours), failures=failures)


def test_a_new_machine_is_checked_within_a_minute_and_upgraded_in_its_window() -> None:
    booted = replace(HOST, up_since=NOW)

    found = next_runs(POLICY, {}, booted, NOW)

    assert NOW < found[JobKind.CHECK] <= NOW + timedelta(minutes=1)
    assert datetime(2026, 3, 6, 4, tzinfo=UTC) <= found[JobKind.UPGRADE] < datetime(2026, 3, 6, 6, tzinfo=UTC)


def test_a_disabled_upgrade_is_never_due() -> None:
    assert set(next_runs(replace(POLICY, upgrade=False), {}, HOST, NOW)) == {JobKind.CHECK}


def test_an_agent_that_stands_aside_only_checks_and_catches_up_once_it_does_not() -> None:
    a_month_ago = {JobKind.UPGRADE: ago(24 * 30)}

    assert set(next_runs(POLICY, a_month_ago, replace(HOST, stands_aside=True), NOW)) == {JobKind.CHECK}
    assert next_runs(POLICY, a_month_ago, HOST, NOW)[JobKind.UPGRADE] <= NOW


def test_a_successful_upgrade_counts_as_a_check() -> None:
    just_upgraded = {JobKind.UPGRADE: ago(0), JobKind.CHECK: ago(30)}

    assert NOW < next_runs(POLICY, just_upgraded, HOST, NOW)[JobKind.CHECK] <= NOW + timedelta(hours=6)


def test_a_failed_upgrade_does_not_count_as_a_check() -> None:
    failed = {JobKind.UPGRADE: ago(0, failures=1), JobKind.CHECK: ago(30)}

    assert next_runs(POLICY, failed, HOST, NOW)[JobKind.CHECK] <= NOW


def test_a_failed_upgrade_is_retried_the_same_day_with_a_growing_delay() -> None:
    waits = [
        next_runs(POLICY, {JobKind.UPGRADE: ago(0, failures)}, HOST, NOW)[JobKind.UPGRADE] - NOW
        for failures in (1, 2, 3, 4)
    ]

    assert timedelta(minutes=3) < waits[0] < timedelta(minutes=7)
    assert [round(later / sooner, 6) for sooner, later in pairwise(waits)] == [2, 2, 2]


def test_the_upgrade_goes_first_if_both_are_due() -> None:
    long_off = {JobKind.UPGRADE: ago(900), JobKind.CHECK: ago(900)}

    found = next_runs(POLICY, long_off, HOST, NOW)

    assert min(found, key=lambda job: found[job]) is JobKind.UPGRADE
    assert max(found.values()) <= NOW


def test_a_machine_that_was_off_for_a_month_gets_its_boot_grace() -> None:
    booted = replace(HOST, up_since=NOW)
    long_off = {JobKind.UPGRADE: ago(720), JobKind.CHECK: ago(720)}

    found = next_runs(POLICY, long_off, booted, NOW)

    assert all(NOW + timedelta(minutes=5) <= at <= NOW + timedelta(minutes=10) for at in found.values())


def test_a_machine_that_is_off_at_night_gets_a_catch_up_upgrade() -> None:
    first = datetime(2026, 3, 5, 9, tzinfo=UTC)
    next_morning = first + timedelta(days=1)
    booted = replace(HOST, up_since=next_morning, known_since=first)

    due = next_runs(POLICY, {JobKind.CHECK: JobAttempts(last=first)}, booted, next_morning)[JobKind.UPGRADE]

    assert next_morning + timedelta(minutes=5) <= due <= next_morning + timedelta(minutes=10)


def test_a_machine_installed_before_its_window_is_upgraded_in_it() -> None:
    known = datetime(2026, 3, 5, 3, 50, tzinfo=UTC)
    host = replace(HOST, up_since=known, known_since=known)
    slot = next_runs(POLICY, {}, host, known)[JobKind.UPGRADE]

    assert next_runs(POLICY, {}, host, slot)[JobKind.UPGRADE] == slot
    assert next_runs(POLICY, {}, host, slot + timedelta(minutes=1))[JobKind.UPGRADE] == slot


def test_a_clock_that_was_ahead_makes_no_upgrade_due_during_the_boot_grace() -> None:
    booted = replace(HOST, up_since=NOW)

    due = next_runs(POLICY, {JobKind.UPGRADE: JobAttempts(last=NOW + timedelta(days=400))}, booted, NOW)[
        JobKind.UPGRADE
    ]

    assert NOW + timedelta(minutes=5) <= due <= NOW + timedelta(minutes=10)


def test_a_machine_booted_since_the_last_check_is_checked_after_the_boot_grace() -> None:
    booted = replace(HOST, up_since=NOW - timedelta(minutes=1), booted_at=NOW - timedelta(minutes=2))
    seen = {JobKind.UPGRADE: ago(2), JobKind.CHECK: ago(0.1)}

    first = next_runs(POLICY, seen, booted, NOW)
    again = next_runs(POLICY, {**seen, JobKind.CHECK: ago(0)}, booted, NOW)

    assert timedelta(minutes=4) <= first[JobKind.CHECK] - NOW <= timedelta(minutes=9)
    assert again[JobKind.CHECK] == next_runs(POLICY, {**seen, JobKind.CHECK: ago(0)}, HOST, NOW)[JobKind.CHECK]
    assert first[JobKind.UPGRADE] == next_runs(POLICY, seen, HOST, NOW)[JobKind.UPGRADE], (
        "a boot is no reason to upgrade"
    )


def test_a_check_that_is_already_due_does_not_wait_for_the_boot_grace() -> None:
    booted = replace(HOST, booted_at=NOW - timedelta(minutes=2))

    assert next_runs(POLICY, {JobKind.UPGRADE: ago(2), JobKind.CHECK: ago(30)}, booted, NOW)[JobKind.CHECK] <= NOW


def test_an_upgrade_since_the_boot_counts_as_a_check() -> None:
    booted = replace(HOST, up_since=NOW - timedelta(hours=1), booted_at=NOW - timedelta(hours=1))
    seen = {JobKind.UPGRADE: ago(0), JobKind.CHECK: ago(2)}

    assert next_runs(POLICY, seen, booted, NOW) == next_runs(POLICY, seen, HOST, NOW)


@pytest.mark.parametrize(
    ("checked_minutes_ago", "changed_minutes_ago", "due_in_minutes"),
    [
        pytest.param(90, 3, 7, id="waits until the work with packages is done"),
        pytest.param(90, 30, -20, id="due at once"),
        pytest.param(20, 15, 40, id="an hour after the last check at the earliest"),
    ],
)
def test_a_machine_whose_packages_changed_since_the_last_check_is_checked(
    checked_minutes_ago: int, changed_minutes_ago: int, due_in_minutes: int
) -> None:
    def minutes(number: int) -> timedelta:
        return timedelta(minutes=number)

    changed = replace(HOST, packages_changed_at=NOW - minutes(changed_minutes_ago))
    seen = {JobKind.UPGRADE: ago(20), JobKind.CHECK: JobAttempts(last=NOW - minutes(checked_minutes_ago))}
    policy = replace(POLICY, check_interval=timedelta(days=7))

    due = next_runs(policy, seen, changed, NOW)

    assert due[JobKind.CHECK] == NOW + minutes(due_in_minutes)
    assert due[JobKind.UPGRADE] == next_runs(policy, seen, HOST, NOW)[JobKind.UPGRADE], "no reason to upgrade"


@pytest.mark.parametrize(("checked_minutes_ago", "due_in_minutes"), [(60, -50), (2, 8)])
def test_an_interrupted_upgrade_of_an_engine_makes_a_check_due(checked_minutes_ago: int, due_in_minutes: int) -> None:
    seen = {
        JobKind.UPGRADE: ago(20),
        JobKind.CHECK: JobAttempts(last=NOW - timedelta(minutes=checked_minutes_ago)),
    }

    due = next_runs(POLICY, seen, replace(HOST, engine_interrupted=True), NOW)

    assert due[JobKind.CHECK] == NOW + timedelta(minutes=due_in_minutes)


@pytest.mark.parametrize(
    ("since_hours", "up_hours", "pause_minutes"),
    [(0.5, 48, 10), (1, 48, 10), (3, 48, 30), (12, 48, 120), (12, 1, 10)],
    ids=["at first", "within the hour", "for hours", "half a day", "not since the daemon's start"],
)
def test_a_recovery_that_fails_for_hours_is_tried_ever_more_seldom(
    since_hours: float, up_hours: float, pause_minutes: int
) -> None:
    seen = {JobKind.UPGRADE: ago(20), JobKind.CHECK: JobAttempts(last=NOW)}
    host = replace(
        HOST,
        up_since=NOW - timedelta(hours=up_hours),
        engine_interrupted=True,
        interrupted_since=NOW - timedelta(hours=since_hours),
    )

    assert next_runs(POLICY, seen, host, NOW)[JobKind.CHECK] == NOW + timedelta(minutes=pause_minutes)


@pytest.mark.parametrize("changed", [NOW - timedelta(hours=2), NOW + timedelta(hours=2), None])
def test_packages_unchanged_since_the_last_check_make_no_check_due(changed: datetime | None) -> None:
    seen = {JobKind.UPGRADE: ago(2), JobKind.CHECK: ago(0.1)}

    assert next_runs(POLICY, seen, replace(HOST, packages_changed_at=changed), NOW) == next_runs(
        POLICY, seen, HOST, NOW
    )
