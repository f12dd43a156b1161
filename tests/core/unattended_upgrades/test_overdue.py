"""A job of the distribution that is on and does not do its work is noticed, however seldom it is to run."""

from dataclasses import replace
from datetime import timedelta

import pytest

from agent.core.unattended_upgrades.model import TheirJob
from agent.core.unattended_upgrades.overdue import is_overdue
from tests.core.unattended_upgrades.test_patcher import DAY, NOW, ON, SETTINGS, TIMER, WORKS

WEEKLY = WORKS["every-week"]


@pytest.mark.parametrize(
    ("theirs", "pending_days", "overdue"),
    [
        (ON, None, False),
        (ON, 2.0, False),
        (ON, 2.1, True),
        (WEEKLY, 8.0, False),
        (WEEKLY, 8.1, True),
        (replace(ON, last_success=NOW - 2 * DAY), None, False),
        (replace(ON, last_success=NOW - 2.1 * DAY), None, True),
        (replace(ON, last_success=None), None, False),
        (replace(ON, last_success=NOW + 30 * DAY), None, False),
    ],
    ids=["works", "due", "late", "weekly", "weekly-late", "run-due", "run-late", "never-ran", "stamp-ahead"],
)
def test_a_job_that_does_not_do_its_work_is_noticed(
    theirs: TheirJob, pending_days: float | None, *, overdue: bool
) -> None:
    pending = {"a": NOW - timedelta(days=pending_days)} if pending_days is not None else {}

    assert bool(is_overdue(theirs, pending, NOW)) is overdue


def on(*days: str, every_days: int = 1, timer_days: float = 1, on_shutdown: bool = False) -> TheirJob:
    settings = replace(SETTINGS, days=days, every=every_days * DAY, on_shutdown=on_shutdown)
    return replace(
        ON, settings=settings, timer=replace(TIMER, last_at=TIMER.next_at and TIMER.next_at - timer_days * DAY)
    )


@pytest.mark.parametrize(
    ("theirs", "longest"),
    [
        (on("Sun"), 7),
        (on("0"), 7),
        (on("Sonntag"), 7),
        (on("Monday", "Thursday"), 4),
        (on("Mon", "Tue", "Wed", "Thu", "Fri"), 3),
        (on("0", "1", "2", "3", "4", "5", "6"), 1),
        (on("Sun", every_days=2), 14),
        (on("Sun", every_days=7), 7),
        (on(timer_days=7), 7),
        (on("Sun", timer_days=7), 7),
        (on("Sun", timer_days=6.97), 7),
        (on(timer_days=-30), 1),
    ],
    ids=[
        *("one-day", "by-number", "in-another-language", "two-days", "weekdays", "every-day", "every-other-day"),
        *("weekly-and-a-day", "weekly-timer", "weekly-timer-and-a-day", "random-delay", "clock-set-back"),
    ],
)
def test_it_is_late_a_day_after_the_longest_pause_between_its_runs(theirs: TheirJob, longest: int) -> None:
    pending = NOW - (longest + 1) * DAY

    assert is_overdue(theirs, {"a": pending}, NOW) == ""
    assert is_overdue(theirs, {"a": pending - timedelta(hours=1), "b": pending}, NOW) != ""


def test_a_weekly_timer_need_not_have_run_for_a_week() -> None:
    theirs = replace(on(timer_days=7), last_success=NOW - 6 * DAY)

    assert is_overdue(theirs, {}, NOW) == ""


def test_the_packages_are_named_up_to_five() -> None:
    late = NOW - 3 * DAY

    assert is_overdue(ON, {"vim": late, "a": late, "new": NOW}, NOW).endswith(" a, vim")
    assert is_overdue(ON, dict.fromkeys("abcdefg", late), NOW).endswith(" a, b, c, d, e and 2 more")


def test_what_waits_for_a_shutdown_is_not_called_its_fault() -> None:
    pending = {"a": NOW - 3 * DAY}

    assert is_overdue(on(on_shutdown=True), pending, NOW) != is_overdue(on(), pending, NOW)


@pytest.mark.parametrize(
    ("blacklist", "keeps"),
    [
        (("nginx",), True),
        (("linux-", "nginx$"), True),
        (("ginx",), False),
        (("(", "nginx"), False),
        (("n{99999999999999999999}", "nginx"), False),
        (("(" * 3000 + ")" * 3000, "nginx"), False),
        ((), False),
    ],
    ids=["named", "one-of-two", "not-at-the-start", "no-pattern", "too-many", "too-deep", "none"],
)
def test_what_its_blacklist_keeps_back_is_not_called_its_fault(blacklist: tuple[str, ...], *, keeps: bool) -> None:
    theirs = replace(ON, settings=replace(SETTINGS, blacklist=blacklist))
    late = NOW - 3 * DAY

    found = is_overdue(theirs, {"nginx": late}, NOW)

    assert ("Package-Blacklist" in found, "nginx" in found) == (keeps, True)
    others = is_overdue(theirs, {"nginx": late, "a": late}, NOW).partition(": ")
    assert others == (*is_overdue(ON, {"a": late}, NOW).partition(": ")[:2], "a" if keeps else "a, nginx")
    assert is_overdue(theirs, {"nginx": NOW - DAY}, NOW) == ""
