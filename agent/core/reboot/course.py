"""What became of a reboot that is on record as under way. Pure."""

from datetime import datetime, timedelta, timezone
from enum import Enum

from agent.core.reboot.gates import RebootOrigin
from agent.core.reboot.model import BootIdentity, RebootCourse, RebootPhase, RebootSchedule

GOING_DOWN = timedelta(minutes=5)
"""How long a machine that was asked to reboot may take until it shows that it stops."""
_CONTIGUOUS = timedelta(minutes=15)
"""Tries of a reboot that waits belong together if the next one comes within this time of when it was due."""

_FORGOTTEN = timedelta(days=1)
_LATEST = datetime.max.replace(tzinfo=timezone.utc) - GOING_DOWN


class CourseEnd(Enum):
    """What became of it."""

    WAITS = "waits"
    """A gate is closed; nothing was prepared."""
    UNDER_WAY = "under-way"
    """The machine is going down, or nothing certain can be said."""
    BACK = "back"
    """The machine has booted since, whoever had it boot."""
    INTERRUPTED = "interrupted"
    """The job was killed before it asked for the reboot."""
    NOT_REBOOTED = "not-rebooted"
    """The reboot was asked for, and the machine still runs."""
    OVER = "over"
    """It waited, and the machine has booted since, or nothing has tried it again for a day."""


def course_end(course: RebootCourse, boot: BootIdentity, now: datetime, *, stopping: bool) -> CourseEnd:
    """Return what became of a reboot that no job carries out now; `boot` is the running one."""
    waits = course.phase is RebootPhase.WAITING
    if not boot.boot_id:
        return CourseEnd.WAITS if waits else CourseEnd.UNDER_WAY
    if boot != course.boot:
        return CourseEnd.OVER if waits else CourseEnd.BACK
    if waits:
        return CourseEnd.WAITS if now - course.entered_at < _FORGOTTEN else CourseEnd.OVER
    if stopping:
        return CourseEnd.UNDER_WAY
    if course.phase is not RebootPhase.FIRED:
        return CourseEnd.INTERRUPTED
    return CourseEnd.UNDER_WAY if _is_recent(course.entered_at, now) else CourseEnd.NOT_REBOOTED


def finish_at(course: RebootCourse, boot_id: str | None) -> datetime | None:
    """Return when a job may finish a course, by what an unprivileged process knows; None: it waits for a gate.

    A job that comes too early changes nothing.
    """
    if course.phase is RebootPhase.WAITING:
        return None
    going_down = course.phase is RebootPhase.FIRED and boot_id in (None, course.boot.boot_id)
    return min(course.entered_at, _LATEST) + GOING_DOWN if going_down else course.entered_at


def continued(course: RebootCourse | None, origin: RebootOrigin, boot: BootIdentity, now: datetime) -> bool:
    """Return whether a try of a reboot goes on with the waiting of the tries before it."""
    if course is None or course.phase is not RebootPhase.WAITING or (course.origin, course.boot) != (origin, boot):
        return False
    return course.entered_at <= now and is_same_try(now, course.retry_at or course.entered_at)


def current_course(course: RebootCourse | None, schedule: RebootSchedule | None, now: datetime) -> RebootCourse | None:
    """Return the course on record; None: there is none, or it waits for what is not tried any more."""
    if course is None or course.phase is not RebootPhase.WAITING:
        return course
    by_schedule, since = course.origin is RebootOrigin.SCHEDULE, schedule.created_at if schedule else None
    waits = still_waits(course.entered_at, course.retry_at, now, by_schedule=by_schedule, scheduled_since=since)
    return course if waits else None


def still_waits(
    entered_at: datetime,
    retry_at: datetime | None,
    now: datetime,
    *,
    by_schedule: bool,
    scheduled_since: datetime | None,
) -> bool:
    """Return whether a reboot that waits, by its record, is the one that is tried next, so that its gate is of now.

    `by_schedule`: root had scheduled it; `scheduled_since`: when the present schedule was made, which goes before the
    policy, None: there is none. Without `retry_at` it waits for the next opening of its window.
    """
    since = scheduled_since or entered_at
    if by_schedule is (scheduled_since is None) or not since <= entered_at <= now:
        return False
    return retry_at is None or is_same_try(now, retry_at)


def is_same_try(at: datetime, retry_at: datetime) -> bool:
    """Return whether a try at that time is the one that was due at `retry_at`."""
    # Nothing is added to a recorded time: it may be the last one that a datetime can hold.
    return at - _CONTIGUOUS <= retry_at


def _is_recent(moment: datetime, now: datetime) -> bool:
    return timedelta() <= now - moment < GOING_DOWN
