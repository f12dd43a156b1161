"""When the machine is rebooted without a command, and when a reboot is verified: from the configuration and the record.

The daemon asks, and the worker asks again before it obeys: only what root has written counts.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo

from agent.config.windows import reboot_rules
from agent.core.clock import is_future
from agent.core.fleet_lock.transitions import release_is_due
from agent.core.frozen import replace
from agent.core.job_kinds import JobKind
from agent.core.policy.policy import Policy, RebootMode
from agent.core.reboot.course import finish_at
from agent.core.reboot.model import RebootPhase, RebootReason
from agent.core.schedule.reboots import RebootPast, RebootWish, policy_wish, scheduled_wish
from agent.core.schedule.slots import JobAttempts
from agent.errors import RecordError
from agent.host import log
from agent.host.reboot.need import read_reboot_need
from agent.state.fleet_lock_record import FleetLockRecord
from agent.state.reboot_record import RebootRecord
from agent.state.store import Store

_PAUSE = timedelta(minutes=2)
"""Between two jobs that could not do what they are for."""


def reboot_runs(
    policy: Policy,
    store: Store,
    attempts: Mapping[JobKind, JobAttempts],
    *,
    boot_id: str | None,
    now: datetime,
    local: tzinfo,
) -> dict[JobKind, datetime]:
    """Return when the daemon has the machine rebooted, and when it has a reboot verified; else a job is left out.

    A damaged record is logged, and the machine is not rebooted.
    """
    found: dict[JobKind, datetime] = {}
    verify_at = verification_at(store, boot_id, now)
    if verify_at is not None:
        found[JobKind.VERIFY_REBOOT] = _paced(verify_at, attempts.get(JobKind.VERIFY_REBOOT), now)
    wish = reboot_wish(policy, store, now, local)
    if wish is not None:
        last = attempts.get(JobKind.REBOOT)
        found[JobKind.REBOOT] = _paced(wish.at, last, now) if last and last.failures else wish.at
    return found


def verification_at(store: Store, boot_id: str | None, now: datetime) -> datetime | None:
    """Return when a job may finish a reboot that is under way, or release a lock that is left; None: there is none."""
    try:
        course = RebootRecord(store).load_course()
        if course is None or course.phase is RebootPhase.WAITING:
            return now if _lock_left(store, now) else None
    except RecordError:
        return now  # the job says what is wrong, and sets it aside
    at = finish_at(course, boot_id)
    return now if at is None or is_future(course.entered_at, now) else at


def reboot_under_way(store: Store) -> bool:
    """Return whether a reboot began or waits, or a lock is held: then what is due depends on more than one time."""
    try:
        return RebootRecord(store).load_course() is not None or FleetLockRecord(store).load().lock is not None
    except RecordError:
        return True


def reboot_wish(policy: Policy, store: Store, now: datetime, local: tzinfo) -> RebootWish | None:
    """Return the reboot that root has scheduled or the configuration asks for; None: there is none, or it began."""
    record = RebootRecord(store)
    try:
        schedule = record.load_schedule()
        if schedule is None and policy.reboot.policy is RebootMode.NEVER:
            return None
        course = record.load_course()
        if course is not None and course.phase is not RebootPhase.WAITING:
            return None
        # One that was recorded while the clock was ahead does not count.
        waiting = None if course is not None and is_future(course.entered_at, now) else course
        past = RebootPast(course=waiting, last=record.last_outcome(), skipped=record.skipped_opening())
    except RecordError as error:
        log.event(log.LogEvent.RECORD_DAMAGED, error=str(error))
        return None
    if schedule is not None:
        return scheduled_wish(schedule, past)
    required = _required()
    return _policy_wish(policy, record, required, past, now, local) if required else None


def _policy_wish(
    policy: Policy, record: RebootRecord, required: RebootReason, past: RebootPast, now: datetime, local: tzinfo
) -> RebootWish | None:
    rules = reboot_rules(policy.reboot)
    wish = policy_wish(rules, required, past, now=now, local=local)
    if wish is None or wish.at > now or past.last is None or past.last.fired_at is not None:
        return wish
    # The last outcome is of a try that was blocked, as of a command: the last reboot before it counts nevertheless.
    try:
        fired = record.last_fired()
    except RecordError as error:
        log.event(log.LogEvent.RECORD_DAMAGED, error=str(error))
        return None
    return policy_wish(rules, required, replace(past, last=fired), now=now, local=local)


def _lock_left(store: Store, now: datetime) -> bool:
    """Return whether a job has to release a lock. What a damaged record may name only a person releases."""
    try:
        lock = FleetLockRecord(store).load().lock
    except RecordError:
        return False  # `status` reports it
    return lock is not None and release_is_due(lock, now, reboot_pending=False)


def _required() -> RebootReason | None:
    with suppress(OSError):  # `status` reports it
        need = read_reboot_need().view
        return RebootReason(required=need.required, packages=tuple(need.packages), since=need.since)
    return None


def _paced(at: datetime, attempts: JobAttempts | None, now: datetime) -> datetime:
    last = attempts.last if attempts is not None else None
    # One that was recorded while the clock was ahead would keep the job away until then.
    return at if last is None or is_future(last, now) else max(at, last + _PAUSE)
