"""How a try to reboot ends without a reboot: what was prepared is undone, and the record has why."""

from contextlib import suppress
from datetime import datetime

from agent.core.frozen import frozen, replace
from agent.core.job_kinds import JobOption
from agent.core.model.facts import Unseen
from agent.core.model.outcome import ProvisionPhase
from agent.core.reboot.gates import GateState, RebootOrigin, RebootWhy
from agent.core.reboot.model import RebootOutcome, RebootPhase, RebootResult
from agent.core.schedule.reboots import next_try
from agent.core.schedule.slots import stable_fraction
from agent.errors import BusyError, HostError, RecordError
from agent.host.machine.identity import machine_id
from agent.state.provision_record import load_provision, save_provision
from agent.worker.steps.reboot.attempt import GateClosedError, RebootAttempt
from agent.worker.steps.reboot.close import end_course, is_recorded, record_outcome, undo


@frozen
class End:
    """How a try ends."""

    result: RebootResult
    message: str = ""
    blocked: GateState | None = None
    waits: bool = False
    """Whether the daemon tries again."""
    retry_at: datetime | None = None
    """When; None: not in this window."""
    skips: bool = False
    """Whether no reboot by the policy is tried any more in this opening of its window."""


def is_needed(attempt: RebootAttempt) -> bool:
    """Return whether the machine is to be rebooted: where that is wished only if required, whether it is.

    Raises:
        HostError: that is unknown.
    """
    if JobOption.IF_REQUIRED not in attempt.wish.options:
        return True
    if isinstance(attempt.need, Unseen):
        raise HostError(f"whether a reboot is required is unknown: {attempt.need.reason}; nothing was done")
    return attempt.need.required


def not_required(attempt: RebootAttempt) -> RebootOutcome:
    """Return that there is no need; only a reboot that root has scheduled leaves that in the history."""
    attempt.outcome = replace(
        attempt.outcome, result=RebootResult.NOT_REQUIRED, message="", finished_at=attempt.now(), boot_before=None
    )
    if attempt.wish.origin is RebootOrigin.SCHEDULE:
        attempt.outcome = record_outcome(attempt.context, attempt.outcome)
    if JobOption.DRY_RUN not in attempt.wish.options and _began(attempt):
        end_course(attempt.context, attempt.outcome, again=not is_recorded(attempt.context, attempt.outcome))
    return attempt.outcome


def dry_run(attempt: RebootAttempt) -> RebootOutcome:
    """Return what would happen now, by the gates of this machine."""
    closed = attempt.ask()
    if closed is not None and attempt.waits_for_sessions(closed):
        closed = replace(closed, until=attempt.now() + attempt.policy.grace)
    result = RebootResult.BLOCKED if closed else RebootResult.WOULD_REBOOT
    return replace(attempt.outcome, result=result, blocked=closed, message="", finished_at=attempt.now())


def expired(attempt: RebootAttempt) -> RebootOutcome:
    """Give up a scheduled reboot whose time is over."""
    blocked = attempt.before.blocked if attempt.before else None
    message = "the time for the scheduled reboot is over"
    return end(attempt, End(result=RebootResult.BLOCKED, message=message, blocked=blocked))


def end_blocked(attempt: RebootAttempt, closed: GateClosedError) -> RebootOutcome:
    """Undo and record; a reboot that root has scheduled, or the configuration asks for, waits where that may help."""
    wish, state, now = attempt.wish, closed.state, attempt.now()
    by_policy = wish.origin is RebootOrigin.POLICY and state.why is not RebootWhy.POLICY_NEVER
    waits = by_policy or (wish.origin is RebootOrigin.SCHEDULE and state.retry)
    if wish.schedule is not None and wish.schedule.until <= now:
        waits = False
    retry = next_try(
        now,
        state,
        share=stable_fraction(machine_id(), "reboot"),
        retry_after=closed.retry_after,
        hooked=attempt.course.hooked,
    )
    failed = state.why is RebootWhy.HOOK_FAILED
    retry_at = None if failed else retry
    return end(attempt, End(result=RebootResult.BLOCKED, blocked=state, waits=waits, retry_at=retry_at, skips=failed))


def end_stopped(attempt: RebootAttempt, reason: str) -> RebootOutcome:
    """Undo and record; what somebody has stopped is not tried again in this opening of a window, or by provisioning."""
    if attempt.wish.origin is RebootOrigin.REQUEST:
        _leave_restart(attempt)
    return end(attempt, End(result=RebootResult.INTERRUPTED, message=reason, skips=True))


def end(attempt: RebootAttempt, how: End) -> RebootOutcome:
    """Undo what was prepared, and record that the machine is not rebooted, or waits.

    Raises:
        BusyError: the machine is going down. The lock is held until it is verified after the boot.
    """
    context = attempt.context
    if attempt.course.phase is not RebootPhase.WAITING and attempt.host.stopping():
        raise BusyError("the machine is going down; the reboot is verified after the boot")
    if how.skips:
        _skip_opening(attempt)  # before the hooks that undo, during which the job may be killed
    outcome = replace(attempt.outcome, result=how.result, message=how.message, blocked=how.blocked, fired_at=None)
    course = replace(attempt.course, blocked=how.blocked)
    if course.phase is not RebootPhase.WAITING:
        course, outcome = undo(context, course, outcome)
    outcome = replace(outcome, finished_at=attempt.now())
    if not (how.waits and _is_repeated(attempt, outcome)):
        outcome = record_outcome(context, outcome)
    if how.waits:
        now = attempt.now()
        waiting = replace(course, phase=RebootPhase.WAITING, entered_at=now, hooked=False, retry_at=how.retry_at)
        attempt.record.save_course(waiting, now)
    elif _began(attempt):
        end_course(context, outcome, again=not is_recorded(context, outcome))
    return outcome


def _skip_opening(attempt: RebootAttempt) -> None:
    if attempt.wish.opening is not None:
        with suppress(HostError):  # it is tried again in this opening at worst
            attempt.record.skip_opening(attempt.wish.opening, attempt.now())


def _leave_restart(attempt: RebootAttempt) -> None:
    """Record that provisioning, if it waits for a restart, leaves that to whoever stopped this one."""
    store = attempt.context.record.store
    with suppress(HostError, RecordError):  # it is asked for again at worst
        found = load_provision(store)
        if found is not None and found.phase is ProvisionPhase.REBOOTING:
            save_provision(store, replace(found, reboot=False), attempt.now())


def _began(attempt: RebootAttempt) -> bool:
    """Return whether the course on record is that of this try: not before a request has passed the first gates."""
    return attempt.wish.origin is not RebootOrigin.REQUEST or attempt.course.phase is not RebootPhase.WAITING


def _is_repeated(attempt: RebootAttempt, outcome: RebootOutcome) -> bool:
    """Return whether the history has it: the last try, too, waited for this gate, and the same failed after it."""
    before, last = attempt.before, attempt.record.last_outcome()
    known, blocked = before.blocked if before else None, outcome.blocked
    if known is None or blocked is None or (known.gate, known.why) != (blocked.gate, blocked.why):
        return False
    if last is None:
        return not outcome.problems
    return last.id != outcome.id and last.problems == outcome.problems  # its own is on record as not ended
