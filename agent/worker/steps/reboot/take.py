"""Reboots the machine through the gates: local ones, hooks, fleet lock, local ones again, a warning, systemd.

What closes on the way undoes what was prepared. The record has each step before it is carried out.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from agent.core.fleet_lock.model import LockAnswer
from agent.core.frozen import replace
from agent.core.job_kinds import JobOption
from agent.core.model.facts import Unseen
from agent.core.reboot.gates import GateState, RebootGate, RebootOrigin, RebootWhy, Verdict
from agent.core.reboot.model import LockUse, RebootOutcome, RebootPhase, RebootResult
from agent.core.schedule.reboots import RebootWish
from agent.errors import AgentError, HostError, StoppedError
from agent.report.reboot_messages import last_message, log_out_message
from agent.state.documents.reboot_outcome import reboot_outcome_to_document
from agent.worker.context import JobContext
from agent.worker.protocol import JobAnswer
from agent.worker.steps.reboot.attempt import GateClosedError, RebootAttempt
from agent.worker.steps.reboot.close import PRE_HOOKS, answer_with, log_outcome
from agent.worker.steps.reboot.end import End, dry_run, end, end_blocked, end_stopped, expired, is_needed, not_required

_SESSIONS_POLL_S = 5.0
_WATCH_S = 1.0
_MARGIN = timedelta(seconds=90)
"""How long after the announced moment logind would reboot. The job does so at the moment; should it be killed, the next
one cancels this in time."""


def take(context: JobContext, wish: RebootWish) -> JobAnswer:
    """Reboot, or answer why not.

    Raises:
        HostError: nothing was done: the boot or, for a reboot only if required, the need is unknown.
    """
    attempt = RebootAttempt(context, wish)
    is_over = wish.schedule is not None and wish.schedule.until <= attempt.now()
    if is_over and isinstance(attempt.need, Unseen):
        outcome = expired(attempt)
    elif not is_needed(attempt):
        outcome = not_required(attempt)
    elif JobOption.DRY_RUN in wish.options:
        outcome = dry_run(attempt)
    elif wish.schedule is not None and wish.schedule.at < attempt.host.up_since():
        outcome = end(attempt, End(result=RebootResult.NOT_REQUIRED, message="the machine has booted since that time"))
    elif is_over:
        outcome = expired(attempt)
    else:
        outcome = _take(attempt)
    return answer_with(context, outcome)


def _take(attempt: RebootAttempt) -> RebootOutcome:
    try:
        _go(attempt)
    except GateClosedError as closed:
        return end_blocked(attempt, closed)
    except StoppedError as error:
        return end_stopped(attempt, str(error))
    except AgentError as error:
        return end(attempt, End(result=RebootResult.FAILED, message=str(error)))
    return attempt.outcome


def _go(attempt: RebootAttempt) -> None:
    """Take every step up to the reboot.

    Raises:
        GateClosedError: a gate is closed. StoppedError: the job was asked to stop. AgentError: a step failed.
    """
    _pass_local_gates(attempt)
    _run_hooks(attempt)
    _take_lock(attempt)
    attempt.require_open()
    _announce(attempt)
    _fire(attempt)


def _pass_local_gates(attempt: RebootAttempt) -> None:
    """Pass the gates of this machine; logged-in users get a message, and time to log out.

    For a command the job waits meanwhile; else it ends, and the next try comes when that time is over.
    """
    while True:
        try:
            return attempt.require_open()
        except GateClosedError as closed:
            state = closed.state
            if not attempt.waits_for_sessions(state):
                raise
            if attempt.course.warned_at is None:
                state = _ask_to_log_out(attempt, state)
            elif attempt.course.warned_at > attempt.now():  # the clock was set back: the grace begins again, once
                attempt.course = replace(attempt.course, warned_at=attempt.now())
            if attempt.wish.origin is not RebootOrigin.REQUEST:
                raise GateClosedError(state) from None
        attempt.context.control.alive()
        attempt.host.pause(_SESSIONS_POLL_S)


def _ask_to_log_out(attempt: RebootAttempt, state: GateState) -> GateState:
    """Write the message; return the gate's state with the end of the grace."""
    now = attempt.now()
    until = now + attempt.policy.grace
    attempt.course = replace(attempt.course, warned_at=now)
    attempt.context.control.step(f"waiting for users to log out ({state.detail})")
    attempt.host.wall(
        log_out_message(until, requested_by=attempt.wish.requested_by, why=attempt.why, comment=_comment(attempt.wish))
    )
    return replace(state, until=until)


def _run_hooks(attempt: RebootAttempt) -> None:
    attempt.course = replace(attempt.course, hooked=True)
    attempt.enter(RebootPhase.HOOKS)
    attempt.context.control.step("running the hooks before the reboot")
    document = reboot_outcome_to_document(attempt.outcome, attempt.now())
    verdict = attempt.host.run_hooks(PRE_HOOKS, document)
    attempt.course = replace(attempt.course, hooked=verdict.ran > 0)
    state = GateState(gate=RebootGate.HOOKS, verdict=Verdict.OPEN)
    if verdict.problem:
        state = GateState(
            gate=RebootGate.HOOKS,
            verdict=Verdict.CLOSED,
            why=RebootWhy.HOOK_DEFERRED if verdict.deferred else RebootWhy.HOOK_FAILED,
            detail=verdict.problem,
            retry=verdict.deferred,
        )
    attempt.answered(state)
    if state.blocks:
        raise GateClosedError(state)


def _take_lock(attempt: RebootAttempt) -> None:
    if not attempt.lock.configured:
        return
    attempt.course = replace(attempt.course, locked=True)
    attempt.enter(RebootPhase.LOCK)
    attempt.context.control.step("requesting the fleet lock")
    answer = attempt.lock.acquire(attempt.why or "reboot")
    state = _lock_state(answer, passed=JobOption.DESPITE_LOCK in attempt.wish.options)
    attempt.answered(state)
    if answer.granted:
        attempt.outcome = replace(attempt.outcome, lock=LockUse.HELD)
    elif state.passed:
        attempt.context.control.step(f"going on without the fleet lock, as requested: {state.detail}")
    else:
        raise GateClosedError(state, answer.retry_after)


def _lock_state(answer: LockAnswer, *, passed: bool) -> GateState:
    if answer.granted:
        return GateState(gate=RebootGate.FLEET_LOCK, verdict=Verdict.OPEN)
    return GateState(
        gate=RebootGate.FLEET_LOCK,
        verdict=Verdict.CLOSED,
        why=RebootWhy(answer.why),
        detail=answer.detail,
        retry=True,
        passed=passed,
    )


def _announce(attempt: RebootAttempt) -> None:
    """Record that the reboot begins, queue the report, and warn whoever is logged in."""
    now = attempt.now()
    attempt.outcome = replace(attempt.outcome, result=RebootResult.REQUESTED, message="", fired_at=now)
    attempt.course = replace(attempt.course, failed_units=_failed_before(attempt))
    attempt.enter(RebootPhase.ANNOUNCED)
    attempt.context.control.step("reporting")
    attempt.context.reboot_acts.send_report()
    warning = attempt.policy.warning
    if attempt.others and warning:
        _warn(attempt, attempt.now() + warning)


def _failed_before(attempt: RebootAttempt) -> tuple[str, ...] | None:
    """Return the failed units that are no problem after the reboot; None: they are unknown.

    Those for which the machine has kept the fleet lock are one until they run again.
    """
    failed, kept = attempt.host.failed_units(), ""
    if isinstance(failed, Unseen):
        return None
    with suppress(AgentError):  # a damaged record of the lock stays for a person
        held = attempt.lock.held()
        kept = held.kept if held is not None else ""
    return tuple(unit for unit in failed if unit not in kept.split())


def _warn(attempt: RebootAttempt, moment: datetime) -> None:
    """Write the last message, then watch the gates up to the moment; others see the reboot at logind meanwhile."""
    message = last_message(
        moment, requested_by=attempt.wish.requested_by, why=attempt.why, comment=_comment(attempt.wish)
    )
    attempt.context.control.step("logged-in users are warned")
    attempt.host.wall(message)
    shutdown_at = (moment + _MARGIN).replace(microsecond=0)  # as the record has it
    attempt.course = replace(attempt.course, shutdown_at=shutdown_at)
    attempt.record.save_course(attempt.course, attempt.now())
    try:
        attempt.host.schedule(shutdown_at)
    except HostError as error:
        attempt.context.control.step(f"`shutdown --show` does not show the reboot: {error}")
    began, left_s = attempt.now(), attempt.policy.warning.total_seconds()
    while attempt.now() < moment and left_s > 0:  # a clock that is set back does not make the warning longer
        attempt.require_open(began)  # the window's latest start was judged before the warning
        attempt.context.control.alive()
        attempt.host.pause(_WATCH_S)
        left_s -= _WATCH_S


def _fire(attempt: RebootAttempt) -> None:
    """Have systemd reboot.

    Raises:
        GateClosedError: a gate is closed, which is seen before, or is why systemd refuses. HostError: it refuses.
    """
    attempt.require_open(attempt.course.entered_at)
    attempt.outcome = replace(attempt.outcome, fired_at=attempt.now())
    attempt.enter(RebootPhase.FIRED)
    attempt.context.control.step("rebooting")
    log_outcome(attempt.outcome)
    try:
        attempt.host.reboot()
    except HostError:
        if attempt.host.stopping():
            return
        if closed := attempt.ask(attempt.course.entered_at):
            raise GateClosedError(closed) from None
        raise


def _comment(wish: RebootWish) -> str:
    return wish.schedule.comment if wish.schedule else ""
