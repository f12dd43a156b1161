"""How the record of a slot changes with each call. Pure.

The record says before a call what the call may bring, so that a host that is killed at any moment knows afterwards
what it may hold: intent → held → releasing → no record. A call without an answer may be carried out later still:
- one to take the slot: it is given back again after that time, or it would be lost to the fleet;
- one to give it back: no slot is taken until then, or another host could take it while this one reboots.
"""

from datetime import datetime, timedelta

from agent.core.fleet_lock.answers import Meaning
from agent.core.fleet_lock.model import HeldLock, LockAnswer, LockCall, LockPhase, LockRecord, LockRefusal
from agent.core.fleet_lock.server import LockServer
from agent.core.frozen import replace

ACQUIRE_SETTLES = timedelta(minutes=30)
"""How long a server may be at work on a call to take a slot whose sender has gone. Zincati waits as long for an
answer, because poseidon/fleetlock drains the node meanwhile."""
RELEASE_SETTLES = timedelta(minutes=5)
"""The same for a call to give it back: above the time limits of servers and proxies."""


def same_slot(lock: HeldLock, server: LockServer) -> bool:
    """Return whether a recorded slot is the one that the configuration names."""
    return (lock.url, lock.group, lock.id) == (server.url, server.group, server.id)


def is_of_another(lock: HeldLock | None, machine: str) -> bool:
    """Return whether a recorded slot was taken by another machine, of whose disk this one is a copy."""
    return lock is not None and bool(lock.machine) and lock.machine != machine


def is_unsettled(until: datetime | None, now: datetime, longest: timedelta) -> bool:
    """Return whether a call without an answer may still be carried out. A time too far ahead is of a wrong clock."""
    return until is not None and now < until <= now + longest


def release_is_due(lock: HeldLock, now: datetime, *, reboot_pending: bool) -> bool:
    """Return whether a job gives the slot back at its start: the run that took it has ended, or was killed.

    `reboot_pending`: a reboot was fired and is not verified yet; its verification decides.
    """
    return not (lock.kept or reboot_pending or (lock.released_at is not None and _is_settling(lock, now)))


def must_be_released_first(lock: HeldLock, server: LockServer) -> bool:
    """Return whether a recorded slot is to be given back before one is taken: what may be held is settled first.

    One that is certainly held is asked for again, which the server grants to its holder.
    """
    return lock.phase is not LockPhase.HELD or not same_slot(lock, server)


def intended(lock: HeldLock, now: datetime, *, before: HeldLock | None) -> HeldLock:
    """Return what is on record during a call to take the slot; `before` is what was there, of the same slot."""
    during = before if before is not None and before.phase is LockPhase.HELD else replace(lock, phase=LockPhase.INTENT)
    return replace(during, acquire_settles_at=now + ACQUIRE_SETTLES)


def after_acquire(lock: HeldLock, meaning: Meaning, now: datetime, *, before: HeldLock | None) -> HeldLock | None:
    """Return the record after the call."""
    earlier = before.acquire_settles_at if before is not None else None
    answered = replace(lock, acquire_settles_at=earlier)
    if meaning is Meaning.DONE:
        return replace(answered, phase=LockPhase.HELD)
    in_flight = now + ACQUIRE_SETTLES if meaning is Meaning.IN_FLIGHT else earlier
    if before is not None and before.phase is LockPhase.HELD and meaning is not Meaning.REFUSED:
        return replace(before, acquire_settles_at=in_flight)
    if meaning in {Meaning.UNCERTAIN, Meaning.IN_FLIGHT}:
        return replace(lock, phase=LockPhase.RELEASING, acquire_settles_at=in_flight)
    return _unless_settled(replace(answered, phase=LockPhase.RELEASING, released_at=now), now)


def releasing(lock: HeldLock, now: datetime) -> HeldLock:
    """Return what is on record during a call to give the slot back: from here on any job may."""
    return replace(lock, phase=LockPhase.RELEASING, kept="", release_settles_at=now + RELEASE_SETTLES)


def after_release(lock: HeldLock, meaning: Meaning, now: datetime, *, before: HeldLock) -> HeldLock | None:
    """Return the record after the call; `before` is what was there before `releasing`."""
    in_flight = meaning is Meaning.IN_FLIGHT
    settles_at = now + RELEASE_SETTLES if in_flight else before.release_settles_at
    answered = replace(lock, release_settles_at=settles_at)
    return _unless_settled(replace(answered, released_at=now), now) if meaning is Meaning.DONE else answered


def _unless_settled(lock: HeldLock, now: datetime) -> HeldLock | None:
    return lock if _is_settling(lock, now) else None


def _is_settling(lock: HeldLock, now: datetime) -> bool:
    return is_unsettled(lock.acquire_settles_at, now, ACQUIRE_SETTLES) or is_unsettled(
        lock.release_settles_at, now, RELEASE_SETTLES
    )


def with_answer(record: LockRecord, call: LockCall, answer: LockAnswer, now: datetime) -> LockRecord:
    """Return a record with a call's answer: one that did not succeed stays until the same call does.

    A slot that was taken ends both.
    """
    before = record.refusal
    if answer.granted:
        ends = before is not None and call in {before.call, LockCall.ACQUIRE}
        return replace(record, refusal=None) if ends else record
    same = before is not None and (before.call, before.answer.why) == (call, answer.why) and before.since <= now
    since = before.since if before is not None and same else now
    return replace(record, refusal=LockRefusal(call=call, at=now, since=since, answer=answer))
