"""Finishes a reboot that an earlier job began: after the boot, or after a crash. Recorded jobs do so first.

Loaded by name, and only where a reboot or a fleet lock is on record.
"""

from contextlib import suppress
from datetime import timedelta

from agent.core.frozen import frozen, replace
from agent.core.reboot.course import CourseEnd, course_end
from agent.core.reboot.model import LockUse, RebootCourse, RebootOutcome, RebootPhase, RebootResult
from agent.errors import AgentError, BusyError, HostError, RecordError
from agent.host import log
from agent.state.reboot_record import RebootRecord
from agent.worker.context import JobContext
from agent.worker.steps.reboot.close import end_course, is_recorded, record_outcome, undo
from agent.worker.steps.reboot.verify import verify

_NO_WAIT = timedelta()
_INTERRUPTED = "interrupted before the reboot"
_UNRECORDED = "its outcome was not on record"


@frozen
class Finished:
    """What was left of earlier jobs."""

    outcome: RebootOutcome | None = None
    """Of the reboot that was finished; None: there was none."""
    lock_left: bool = False
    """Whether a fleet lock could not be released yet; the next job tries again."""


def finish_reboot(context: JobContext, *, wait: timedelta = _NO_WAIT) -> Finished:
    """Finish a reboot that is under way, and release a lock that is left; `wait` is for the end of the boot.

    Raises:
        BusyError: the machine is going down.
        HostError: the outcome cannot be recorded; the next job tries again.
    """
    record = RebootRecord(context.record.store)
    course = _load(context, record)
    outcome = _finish(context, course, wait) if course is not None else None
    left = record.has_course() and _pending(record)
    return Finished(outcome=outcome, lock_left=_release_leftover(context, pending=left))


def _pending(record: RebootRecord) -> bool:
    try:
        course = record.load_course()
    except RecordError:
        return False
    return course is not None and course.phase is not RebootPhase.WAITING


def _release_leftover(context: JobContext, *, pending: bool) -> bool:
    try:
        answer = context.reboot_acts.lock.release_leftover(reboot_pending=pending)
    except AgentError as error:
        context.control.step(f"the fleet lock of an earlier run could not be released: {error}")
        return True
    if answer is None:
        return False
    done = "was released" if answer.granted else f"could not be released yet: {answer.detail}"
    context.control.step(f"the fleet lock of an earlier run {done}")
    if answer.granted:
        _note_release(context)
    return not answer.granted


def _note_release(context: JobContext) -> None:
    """Record that the lock of the last reboot, which could not be released at its end, is released now."""
    record = RebootRecord(context.record.store)
    last = record.last_outcome()
    if last is not None and last.lock is LockUse.RELEASING:
        with suppress(HostError):  # it only reads as if it were still held
            record.save_outcome(replace(last, lock=LockUse.RELEASED), context.machine.now())


def _load(context: JobContext, record: RebootRecord) -> RebootCourse | None:
    """Return the course; of a damaged one what the last outcome shows of it."""
    try:
        return record.load_course()
    except RecordError as error:
        log.event(log.LogEvent.RECORD_DAMAGED, error=str(error))
        context.control.step(str(error))
    record.set_course_aside()
    last = record.last_outcome()
    if last is None or last.finished_at is not None or last.boot_before is None:
        return None
    return RebootCourse(
        run_id=last.id,
        origin=last.origin,
        phase=RebootPhase.FIRED,
        entered_at=last.fired_at or last.started_at,
        boot=last.boot_before,
        hooked=True,
        locked=last.lock is LockUse.HELD,
    )


def _finish(context: JobContext, course: RebootCourse, wait: timedelta) -> RebootOutcome | None:
    host = context.reboot_acts.host
    end = course_end(course, host.boot(), context.machine.now(), stopping=host.stopping())
    if end is CourseEnd.WAITS:
        return None
    if end is CourseEnd.UNDER_WAY:
        raise BusyError("the machine is being rebooted; nothing was changed")
    outcome = _outcome_of(context, course)
    if end is CourseEnd.BACK:
        return verify(context, course, outcome, wait)
    if end is not CourseEnd.OVER:
        return _did_not_happen(context, course, outcome, fired=end is CourseEnd.NOT_REBOOTED)
    end_course(context, outcome)
    return None


def _did_not_happen(context: JobContext, course: RebootCourse, outcome: RebootOutcome, *, fired: bool) -> RebootOutcome:
    """Undo what was prepared, and record that the machine was not rebooted, unless that is on record already."""
    if outcome.finished_at is None:
        result, message = (RebootResult.NOT_REBOOTED, "") if fired else (RebootResult.INTERRUPTED, _INTERRUPTED)
        if course.blocked is not None:
            result, message = RebootResult.BLOCKED, ""
        fired_at = outcome.fired_at if fired else None
        outcome = replace(outcome, result=result, message=message, blocked=course.blocked, fired_at=fired_at)
    course, undone = undo(context, course, outcome)
    if undone.finished_at is None:
        now, boot = context.machine.now(), context.reboot_acts.host.boot()
        undone = replace(undone, finished_at=now, boot_after=boot)
    if undone != outcome:
        undone = record_outcome(context, undone)
    end_course(context, undone, again=_is_tried_again(undone) or not is_recorded(context, undone))
    return undone


def _is_tried_again(outcome: RebootOutcome) -> bool:
    """Return whether a reboot that root has scheduled is tried again: its job was killed, or its gate may open."""
    waits = outcome.result is RebootResult.BLOCKED and outcome.blocked is not None and outcome.blocked.retry
    return waits or outcome.result is RebootResult.INTERRUPTED


def _outcome_of(context: JobContext, course: RebootCourse) -> RebootOutcome:
    """Return the outcome on record; before the reboot is announced there is none yet."""
    found = RebootRecord(context.record.store).outcome(course.run_id)
    return found or RebootOutcome(
        id=course.run_id,
        started_at=course.entered_at,
        finished_at=None,
        result=RebootResult.INTERRUPTED,
        origin=course.origin,
        boot_before=course.boot,
        message=_UNRECORDED,
    )
