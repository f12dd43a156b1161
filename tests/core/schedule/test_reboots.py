"""When the machine is rebooted without a command: as scheduled, or in the window of the policy; never otherwise."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from agent.core.job_kinds import JobKind, JobOption
from agent.core.policy.policy import RebootMode, RebootPolicy
from agent.core.reboot.gates import GateState, RebootGate, RebootOrigin, RebootWhy, Verdict
from agent.core.reboot.model import (
    BootIdentity,
    RebootCourse,
    RebootOutcome,
    RebootPhase,
    RebootReason,
    RebootResult,
    RebootSchedule,
)
from agent.core.reboot.opening import RebootRules
from agent.core.schedule.jobs import first_due
from agent.core.schedule.reboots import RebootPast, next_try, policy_wish, scheduled_wish
from agent.core.windows import Opening, parse_window

UTC = timezone.utc
OPENS = datetime(2026, 11, 28, 2, 0, tzinfo=UTC)
"""A Saturday."""
WEEK = timedelta(days=7)
MINUTE = timedelta(minutes=1)
RULES = RebootRules(
    policy=RebootPolicy(policy=RebootMode.WINDOW, window="Sat 02:00-04:00"),
    window=parse_window("Sat 02:00-04:00", lambda _name: UTC),
)
NEED = RebootReason(required=True, packages=("linux-image-6.12",), since=OPENS - WEEK)
BOOT = BootIdentity(boot_id="a", soft_reboots=0)
SCHEDULE = RebootSchedule(
    at=OPENS,
    until=OPENS + timedelta(hours=2),
    created_at=OPENS - WEEK,
    requested_by="ann",
    options=frozenset({JobOption.DESPITE_LAST_RUN}),
)
WAITING = RebootCourse(
    run_id="1",
    origin=RebootOrigin.SCHEDULE,
    phase=RebootPhase.WAITING,
    entered_at=OPENS + 3 * MINUTE,
    boot=BOOT,
    retry_at=OPENS + 5 * MINUTE,
)
DONE = RebootOutcome(
    id="1",
    started_at=OPENS,
    finished_at=OPENS + 2 * MINUTE,
    result=RebootResult.REBOOTED,
    origin=RebootOrigin.POLICY,
    reason=NEED,
    fired_at=OPENS + MINUTE,
)
CLOSED = GateState(gate=RebootGate.SESSIONS, verdict=Verdict.CLOSED, why=RebootWhy.SESSIONS, retry=True)
NOTHING = RebootPast()


def at(
    now: datetime, past: RebootPast = NOTHING, need: RebootReason = NEED, rules: RebootRules = RULES
) -> datetime | None:
    wish = policy_wish(rules, need, past, now=now, local=UTC)
    return wish.at if wish else None


def test_a_scheduled_reboot_is_due_at_its_time_with_its_options() -> None:
    wish = scheduled_wish(SCHEDULE, NOTHING)

    assert (wish.origin, wish.at, wish.options) == (RebootOrigin.SCHEDULE, OPENS, SCHEDULE.options)
    assert (wish.requested_by, wish.schedule) == ("ann", SCHEDULE)


@pytest.mark.parametrize(
    ("course", "due"),
    [
        pytest.param(WAITING, OPENS + 5 * MINUTE, id="waits"),
        pytest.param(replace(WAITING, retry_at=OPENS + WEEK), SCHEDULE.until, id="beyond-its-end"),
        pytest.param(replace(WAITING, origin=RebootOrigin.POLICY), OPENS, id="of-another-wish"),
        pytest.param(replace(WAITING, entered_at=OPENS - 2 * WEEK), OPENS, id="of-an-earlier-schedule"),
    ],
)
def test_a_scheduled_reboot_that_waits_is_tried_again_until_its_end(course: RebootCourse, due: datetime) -> None:
    assert scheduled_wish(SCHEDULE, RebootPast(course=course)).at == due


def test_the_policy_reboots_in_its_window_only_if_that_is_required() -> None:
    wish = policy_wish(RULES, NEED, NOTHING, now=OPENS - WEEK / 2, local=UTC)

    assert wish is not None
    assert (wish.origin, wish.at, wish.options) == (RebootOrigin.POLICY, OPENS, frozenset({JobOption.IF_REQUIRED}))
    assert wish.opening == Opening(start=OPENS, end=OPENS + 120 * MINUTE)
    assert at(OPENS, need=replace(NEED, required=False)) is None


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(RebootRules(policy=RebootPolicy()), id="never"),
        pytest.param(RebootRules(policy=RebootPolicy(policy=RebootMode.WINDOW)), id="no-window"),
        pytest.param(replace(RULES, policy=RebootPolicy()), id="never-with-a-window"),
    ],
)
def test_without_a_window_the_policy_never_reboots(rules: RebootRules) -> None:
    assert at(OPENS, rules=rules) is None


def test_too_late_in_the_window_is_the_next_one() -> None:
    latest = OPENS + timedelta(hours=2) - RULES.needed

    assert at(latest) == OPENS
    assert at(latest + timedelta(seconds=1)) == OPENS + WEEK


def test_the_machine_is_rebooted_once_in_an_opening() -> None:
    past = RebootPast(last=DONE)

    assert at(OPENS + 10 * MINUTE, past) == OPENS + WEEK
    assert at(OPENS + WEEK, past) == OPENS + WEEK


@pytest.mark.parametrize("result", RebootResult, ids=lambda result: result.value)
def test_what_needs_a_person_is_not_tried_again_for_the_same_reason(result: RebootResult) -> None:
    needs_person = {RebootResult.REBOOTED_WITH_PROBLEMS, RebootResult.NOT_REBOOTED, RebootResult.FAILED}
    past = RebootPast(last=replace(DONE, result=result))
    newer = replace(NEED, since=OPENS + timedelta(days=2))

    assert at(OPENS + WEEK, past) == (None if result in needs_person else OPENS + WEEK)
    assert at(OPENS + WEEK, past, need=newer) == OPENS + WEEK


@pytest.mark.parametrize(
    ("now", "same"),
    [
        pytest.param(replace(NEED, since=OPENS - WEEK + timedelta(microseconds=1)), True, id="by-the-time-of-a-file"),
        pytest.param(replace(NEED, packages=("linux-image",), since=OPENS - WEEK), True, id="the-flag-alone-is-gone"),
        pytest.param(replace(NEED, packages=("other",), since=None), False, id="unknown-since-when"),
        pytest.param(replace(NEED, packages=("other",), since=OPENS + MINUTE * 9), False, id="set-after-it"),
    ],
)
def test_a_reason_from_before_a_reboot_that_needs_a_person_is_the_same_one(now: RebootReason, *, same: bool) -> None:
    past = RebootPast(last=replace(DONE, result=RebootResult.REBOOTED_WITH_PROBLEMS))

    assert at(OPENS + WEEK, past, need=now) == (None if same else OPENS + WEEK)


def test_a_policy_reboot_that_waits_is_tried_again_at_its_time() -> None:
    waiting = replace(WAITING, origin=RebootOrigin.POLICY)

    assert at(OPENS + 4 * MINUTE, RebootPast(course=waiting)) == OPENS + 5 * MINUTE
    assert at(OPENS + WEEK, RebootPast(course=waiting)) == OPENS + WEEK


@pytest.mark.parametrize(
    ("skipped", "due"),
    [
        pytest.param(Opening(start=OPENS, end=OPENS + 120 * MINUTE), OPENS + WEEK, id="this-one"),
        pytest.param(
            Opening(start=OPENS - 60 * MINUTE, end=OPENS + MINUTE), OPENS + WEEK, id="of-a-window-since-moved"
        ),
        pytest.param(Opening(start=OPENS - 60 * MINUTE, end=OPENS), OPENS, id="the-one-before"),
        pytest.param(Opening(start=OPENS - WEEK, end=OPENS - WEEK + 120 * MINUTE), OPENS, id="last-week"),
    ],
)
def test_an_opening_that_is_skipped_is_over_whatever_waits(skipped: Opening, due: datetime) -> None:
    waiting = replace(WAITING, origin=RebootOrigin.POLICY, entered_at=OPENS, retry_at=OPENS)

    for course in (None, waiting, replace(waiting, origin=RebootOrigin.REQUEST)):
        assert at(OPENS + 4 * MINUTE, RebootPast(course=course, skipped=skipped)) == due


@pytest.mark.parametrize(
    ("until", "retry_after", "low_s", "high_s"),
    [
        pytest.param(None, None, 90, 150, id="about-two-minutes"),
        pytest.param(timedelta(seconds=20), None, 20, 20, id="as-soon-as-the-gate-opens"),
        pytest.param(timedelta(minutes=10), None, 90, 150, id="the-gate-may-open-earlier"),
        pytest.param(-MINUTE, None, 90, 150, id="should-be-open"),
        pytest.param(None, timedelta(minutes=7), 420, 420, id="as-the-server-asks"),
        pytest.param(None, timedelta(days=7), 1800, 1800, id="not-as-long-as-the-server-asks"),
        pytest.param(None, timedelta(seconds=45), 45, 45, id="as-soon-as-the-server-asks"),
        pytest.param(None, timedelta(seconds=1), 30, 30, id="not-as-often-as-the-server-allows"),
    ],
)
def test_the_next_try(until: timedelta | None, retry_after: timedelta | None, low_s: int, high_s: int) -> None:
    state = replace(CLOSED, until=OPENS + until if until is not None else None)
    for share in (0, 0.5, 0.999):
        pause = next_try(OPENS, state, share=share, retry_after=retry_after, hooked=False) - OPENS
        assert low_s <= pause.total_seconds() <= high_s


@pytest.mark.parametrize("after_s", [1, 45, 600])
def test_hooks_are_not_run_again_more_often_than_about_every_two_minutes(after_s: int) -> None:
    asked = timedelta(seconds=after_s)
    found = next_try(OPENS, CLOSED, share=0.5, retry_after=asked, hooked=True)

    assert found == OPENS + max(2 * MINUTE, asked)


def test_the_machines_of_a_fleet_do_not_all_try_at_the_same_moment() -> None:
    first, last = (next_try(OPENS, CLOSED, share=share, retry_after=None, hooked=False) for share in (0, 0.9))

    assert first < last


def test_a_reboot_starts_after_every_other_job_that_is_due() -> None:
    due = {JobKind.REBOOT: OPENS, JobKind.CHECK: OPENS + MINUTE, JobKind.UPGRADE: OPENS + 2 * MINUTE}

    assert first_due(due, OPENS + 2 * MINUTE) is JobKind.CHECK
    assert first_due(due, OPENS) is JobKind.REBOOT
    assert first_due(due, OPENS - MINUTE) is JobKind.REBOOT
