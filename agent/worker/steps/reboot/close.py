"""Ends a reboot that did not happen, or that was verified: its hooks, its lock, its outcome."""

from contextlib import suppress

from agent.core.frozen import replace
from agent.core.reboot.model import (
    LockUse,
    RebootCourse,
    RebootOutcome,
    RebootProblem,
    RebootResult,
    RebootTrouble,
)
from agent.core.schemas import Document
from agent.errors import AgentError, ExitCode, HostError
from agent.host import log
from agent.report.reboot_messages import stopped_message
from agent.state.documents.reboot_outcome import reboot_outcome_to_document
from agent.state.reboot_record import RebootRecord
from agent.worker.context import JobContext
from agent.worker.log_items import reboot_outcome_items
from agent.worker.protocol import JobAnswer

PRE_HOOKS, POST_HOOKS = "pre-reboot.d", "post-reboot.d"
_RELEASE_PAUSE_S = 5.0
_EVENTS = {
    RebootResult.REBOOTED: log.LogEvent.REBOOT_VERIFIED,
    RebootResult.NOT_REQUIRED: log.LogEvent.REBOOT_VERIFIED,
    RebootResult.REQUESTED: log.LogEvent.REBOOT_STARTED,
    RebootResult.BLOCKED: log.LogEvent.REBOOT_BLOCKED,
}
"""REBOOT_FAILED for all others."""
_EXIT_CODES = {
    RebootResult.REBOOTED: ExitCode.OK,
    RebootResult.NOT_REQUIRED: ExitCode.OK,
    RebootResult.REQUESTED: ExitCode.OK,
    RebootResult.WOULD_REBOOT: ExitCode.OK,
    RebootResult.BLOCKED: ExitCode.ATTENTION,
    RebootResult.REBOOTED_WITH_PROBLEMS: ExitCode.ATTENTION,
    RebootResult.NOT_REBOOTED: ExitCode.ATTENTION,
}
"""FAILED for all others."""


def record_outcome(context: JobContext, outcome: RebootOutcome) -> RebootOutcome:
    """Record and log an outcome; return it with a message if it could not be recorded."""
    try:
        RebootRecord(context.record.store).save_outcome(outcome, context.machine.now())
    except HostError as error:  # it must still be reported, above all when it cannot be written
        outcome = replace(outcome, message=f"{outcome.message} {error}".strip())
    log_outcome(outcome)
    return outcome


def log_outcome(outcome: RebootOutcome) -> None:
    """Log how far a reboot came."""
    name = _EVENTS.get(outcome.result, log.LogEvent.REBOOT_FAILED)
    log.event(name, run=outcome.id, **reboot_outcome_items(outcome))


def answer_with(context: JobContext, outcome: RebootOutcome) -> JobAnswer:
    """Return a job's answer with an outcome."""
    code = _EXIT_CODES.get(outcome.result, ExitCode.FAILED)
    return JobAnswer(exit_code=code, document=reboot_outcome_to_document(outcome, context.machine.now()))


def undo(context: JobContext, course: RebootCourse, outcome: RebootOutcome) -> tuple[RebootCourse, RebootOutcome]:
    """Undo what was prepared for a reboot that does not happen: the hooks, so that the machine serves again, the lock.

    Users who were warned get a message. Each step is recorded as done; one that is not is done again by the next job.

    Raises:
        HostError: logind may still reboot: it does not cancel what is scheduled there.
    """
    acts = context.reboot_acts
    if course.shutdown_at is not None:
        acts.host.cancel(course.shutdown_at)  # first: else logind would reboot a machine that serves again
        acts.host.wall(stopped_message())
        course = _saved(context, replace(course, shutdown_at=None))
    if course.hooked:
        course, outcome = _undo_hooks(context, course, outcome)
    if course.locked:
        outcome = replace(outcome, lock=_give_back(context))
        course = _saved(context, replace(course, locked=False))
    return course, outcome


def _undo_hooks(
    context: JobContext, course: RebootCourse, outcome: RebootOutcome
) -> tuple[RebootCourse, RebootOutcome]:
    """Run the hooks; what fails of them is on record before they count as done.

    What the last outcome has already, as of a try every two minutes, is no entry of its own: they count as done once
    the caller has recorded how the try ends.
    """
    record = RebootRecord(context.record.store)
    document = reboot_outcome_to_document(outcome, context.machine.now())
    problems = run_post_hooks(context, {**document, "rebooted": False})
    outcome = replace(outcome, problems=(*outcome.problems, *problems))
    if problems:
        last = record.last_outcome()
        if last is not None and last.problems == outcome.problems:
            return course, outcome
        with suppress(HostError):  # the log has it
            record.save_outcome(outcome, context.machine.now())
    return _saved(context, replace(course, hooked=False)), outcome


def run_post_hooks(context: JobContext, document: Document) -> tuple[RebootProblem, ...]:
    """Run the hooks after a reboot, or after one that does not happen; return what fails of them."""
    verdict = context.reboot_acts.host.run_hooks(POST_HOOKS, document)
    return (RebootProblem(code=RebootTrouble.HOOK_FAILED, detail=verdict.problem),) if verdict.problem else ()


def _give_back(context: JobContext) -> LockUse:
    """Release the lock of a reboot that does not happen; not one that was kept before, of a machine that is ill."""
    with suppress(AgentError):  # `release` reports it
        held = context.reboot_acts.lock.held()
        if held is not None and held.kept:
            return LockUse.KEPT
    return release(context)


def release(context: JobContext, *, tries: int = 1) -> LockUse:
    """Release the lock, if one is held; a failure is reported, and the next job tries again."""
    lock, host = context.reboot_acts.lock, context.reboot_acts.host
    try:
        if lock.held() is None:
            return LockUse.NONE
        context.control.step("releasing the fleet lock")
        answer = lock.release()
        for _ in range(tries - 1):
            if answer.granted:
                break
            context.control.alive()
            host.pause(_RELEASE_PAUSE_S)
            answer = lock.release()
    except AgentError as error:
        context.control.step(f"the fleet lock could not be released: {error}")
        return LockUse.RELEASING
    if not answer.granted:
        context.control.step(f"the fleet lock could not be released yet: {answer.detail}")
    return LockUse.RELEASED if answer.granted else LockUse.RELEASING


def is_recorded(context: JobContext, outcome: RebootOutcome) -> bool:
    """Return whether an outcome is on record as that of a reboot that has ended."""
    written = RebootRecord(context.record.store).outcome(outcome.id)
    return written is not None and written.finished_at is not None


def end_course(context: JobContext, outcome: RebootOutcome, *, again: bool = False) -> None:
    """Remove the course and, of a reboot that was scheduled, the schedule that it was for; not if it is tried again."""
    record = RebootRecord(context.record.store)
    with suppress(AgentError):  # the next job tries again
        schedule = record.load_schedule()
        if schedule is not None and outcome.was_for(schedule) and not again:
            record.end_schedule()
        record.end_course()


def _saved(context: JobContext, course: RebootCourse) -> RebootCourse:
    with suppress(HostError):  # it would be done a second time at worst
        RebootRecord(context.record.store).save_course(course, context.machine.now())
    return course
