"""When the daemon has the machine rebooted: as root has scheduled it, or in the window of the policy. Pure."""

from datetime import datetime, timedelta, tzinfo

from agent.core.frozen import frozen
from agent.core.job_kinds import JobOption
from agent.core.reboot.gates import GateState, RebootOrigin
from agent.core.reboot.model import RebootCourse, RebootOutcome, RebootPhase, RebootReason, RebootResult, RebootSchedule
from agent.core.reboot.opening import RebootRules, opens_at, reboot_standing
from agent.core.windows import Opening, WindowState

_RETRY = timedelta(minutes=2)
_LEAST_RETRY = timedelta(seconds=30)
"""For a lock server that asks for less than `_RETRY`, where no hook has to run again."""
_LONGEST_RETRY = timedelta(minutes=30)
"""A server that asks for a longer pause is asked again all the same: the window would be over."""
_NEEDS_PERSON = frozenset({RebootResult.REBOOTED_WITH_PROBLEMS, RebootResult.NOT_REBOOTED, RebootResult.FAILED})


@frozen
class RebootWish:
    """A reboot that is asked for: by a command, by a schedule, or by the configuration."""

    origin: RebootOrigin
    at: datetime
    """When its next try is due; a time in the past means at once."""
    options: frozenset[JobOption] = frozenset({JobOption.IF_REQUIRED})
    requested_by: str = ""
    session: str = ""
    """The requester's session of logind, which does not count; empty: unknown or none."""
    schedule: RebootSchedule | None = None
    opening: Opening | None = None
    """The opening of the window for which the configuration asks; None: it does not."""
    in_window: bool = False
    """Whether a request keeps to the maintenance window, as one of the policy always does."""


@frozen
class RebootPast:
    """What is on record of reboots."""

    course: RebootCourse | None = None
    last: RebootOutcome | None = None
    skipped: Opening | None = None
    """The last opening in which a reboot by the policy was stopped by somebody, or a hook failed."""


def scheduled_wish(schedule: RebootSchedule, past: RebootPast) -> RebootWish:
    """Return the reboot that root has scheduled. A try is due at its end, too, which gives it up."""
    waiting = _waiting(past, RebootOrigin.SCHEDULE)
    retry_at = waiting.retry_at if waiting is not None and waiting.entered_at >= schedule.created_at else None
    return RebootWish(
        origin=RebootOrigin.SCHEDULE,
        at=min(max(schedule.at, retry_at or schedule.at), schedule.until),
        options=schedule.options,
        requested_by=schedule.requested_by,
        schedule=schedule,
    )


def policy_wish(
    rules: RebootRules, required: RebootReason, past: RebootPast, *, now: datetime, local: tzinfo
) -> RebootWish | None:
    """Return the reboot that the configuration asks for; None: none.

    In each opening of the window the machine is rebooted once at most. What a reboot did not resolve, or a person has
    to look at, is no reason for another one.
    """
    if not rules.allows_windows or rules.window is None or not required.required or _is_unresolved(past, required):
        return None
    found = reboot_standing(rules, rules.window, now, local)
    if found.state is WindowState.OPEN and _was_tried(past, found.opening):
        found = reboot_standing(rules, rules.window, found.opening.end, local)
    at, waiting = opens_at(rules, found, local), _waiting(past, RebootOrigin.POLICY)
    if at is None:
        return None
    retry_at = waiting.retry_at if waiting is not None and found.opening.start <= waiting.entered_at else None
    return RebootWish(origin=RebootOrigin.POLICY, at=max(at, retry_at or at), opening=found.opening)


def next_try(
    now: datetime, blocked: GateState, *, share: float, retry_after: timedelta | None, hooked: bool
) -> datetime:
    """Return when a reboot that waits for a gate is tried again; `share` is this machine's, in [0, 1).

    `retry_after` is what the lock server asks for; `hooked`: hooks of pre-reboot.d run again with each try.
    """
    pause = _RETRY * (0.75 + share / 2)
    if retry_after is not None:
        return now + min(max(pause if hooked else _LEAST_RETRY, retry_after), _LONGEST_RETRY)
    soon = now + pause
    return min(soon, blocked.until) if blocked.until is not None and blocked.until > now else soon


def _waiting(past: RebootPast, origin: RebootOrigin) -> RebootCourse | None:
    course = past.course
    return course if course and course.phase is RebootPhase.WAITING and course.origin is origin else None


def _was_tried(past: RebootPast, opening: Opening) -> bool:
    """Return whether the machine was rebooted in this opening, somebody stopped that, or a hook failed.

    What was stopped is judged by the opening: the clock may have been set back since.
    """
    fired_at = past.last.fired_at if past.last else None
    skipped = past.skipped is not None and past.skipped.overlaps(opening)
    return skipped or (fired_at is not None and opening.start <= fired_at < opening.end)


def _is_unresolved(past: RebootPast, required: RebootReason) -> bool:
    """Return whether the last reboot needs a person, and what requires one now did so before it.

    The same reason counts whatever its time: the clock may have been set back since.
    """
    last = past.last
    if last is None or last.reason is None or last.result not in _NEEDS_PERSON:
        return False
    if required.since is not None and required.since <= (last.fired_at or last.started_at):
        return True
    return (last.reason.packages, _to_second(last.reason.since)) == (required.packages, _to_second(required.since))


def _to_second(when: datetime | None) -> datetime | None:
    """Return a time as documents have it."""
    return when.replace(microsecond=0) if when is not None else None
