"""This host's slot at a FleetLock server, behind the port `agent.core.reboot.ports.FleetLock`.

The record is on disk before each call, so that a host that is killed at any moment knows what it may hold. One job runs
at a time (job lock): nothing here guards against another process.
"""

import importlib
from collections.abc import Callable
from datetime import datetime, timedelta

from agent.core.fleet_lock.answers import Meaning, ServerAnswer, describe, meaning_of_acquire, meaning_of_release
from agent.core.fleet_lock.model import HeldLock, LockAnswer, LockCall, LockPhase, LockRecord, LockWhy
from agent.core.fleet_lock.server import ACQUIRE, RELEASE, LockServer, LockTimeouts
from agent.core.fleet_lock.transitions import (
    RELEASE_SETTLES,
    after_acquire,
    after_release,
    intended,
    is_of_another,
    is_unsettled,
    must_be_released_first,
    release_is_due,
    releasing,
    same_slot,
    with_answer,
)
from agent.core.frozen import frozen, replace
from agent.core.reboot.model import BootIdentity
from agent.core.redact import one_line
from agent.errors import HostError, RecordError
from agent.host import log
from agent.state.fleet_lock_record import FleetLockRecord
from agent.state.timestamps import utc_now

_GRANTED = LockAnswer(granted=True)


@frozen
class LockOwner:
    """For what a slot is taken."""

    boot: Callable[[], BootIdentity]
    machine: str = ""
    """Identity of this machine; empty: unknown."""
    run_id: str = ""


class LocalFleetLock:
    """This host's slot."""

    def __init__(
        self,
        server: LockServer | None,
        record: FleetLockRecord,
        owner: LockOwner,
        *,
        timeouts: LockTimeouts = LockTimeouts(),  # noqa: B008 - frozen
        alive: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Take the configured server (None: no lock is needed), and what is called before each request."""
        self._server = server
        self._record = record
        self._owner = owner
        self._timeouts = timeouts
        self._alive = alive
        self._now = now

    @property
    def configured(self) -> bool:
        """Whether a lock is needed to reboot."""
        return self._server is not None

    def held(self) -> HeldLock | None:
        """Return the slot that this host holds, or may hold, by its record.

        Raises:
            RecordError: the record is damaged.
        """
        return self._load().lock

    def acquire(self, reason: str) -> LockAnswer:
        """Take a slot; granted, if none is needed. What may be held from before is settled first.

        Raises:
            HostError: the record cannot be written; nothing is held, or the next job gives it back.
        """
        if self._server is None:
            return _GRANTED
        try:
            record = self._load()
        except RecordError as error:
            return _unreachable(f"{error}; `maestro-agent lock release` gives back what it may name")
        if record.lock is not None and must_be_released_first(record.lock, self._server):
            answer = self._settle(record, self._server)
            if not answer.granted:
                return answer
            record = self._record.load()
        return self._acquire(record, self._server, reason)

    def release(self) -> LockAnswer:
        """Give back the slot that is held or may be held, at the server that granted it; granted: none is held.

        With a damaged record: at the configured server; the record is set aside.

        Raises:
            HostError: the record cannot be written.
            RecordError: it is damaged, and no server is configured.
        """
        try:
            record = self._load()
        except RecordError:
            if self._server is None:
                raise
            return self._release_unrecorded(self._server)
        return self._release(record) if record.lock is not None else _GRANTED

    def release_leftover(self, *, reboot_pending: bool) -> LockAnswer | None:
        """Give back, at the start of a job, the slot of a run that has ended or was killed; None: there is none.

        Raises:
            HostError: the record cannot be written. RecordError: it is damaged; only a person releases then.
        """
        record = self._record.load()
        if is_of_another(record.lock, self._owner.machine):
            log.event(log.LogEvent.LOCK_DROPPED)
            self.forget()
            return None
        if record.lock is None or not release_is_due(record.lock, self._now(), reboot_pending=reboot_pending):
            return None
        return self._release(record)

    def keep(self, why: str) -> None:
        """Keep the slot until a person releases it: the host came back with problems.

        Raises:
            HostError: the record cannot be written. RecordError: it is damaged.
        """
        record = self._load()
        if record.lock is not None:
            self._save(replace(record, lock=replace(record.lock, kept=one_line(why))))
            log.event(log.LogEvent.LOCK_KEPT, group=record.lock.group, reason=why)

    def forget(self) -> None:
        """Remove the record of a slot whose server does not exist any more, without a call.

        Raises:
            HostError: the record cannot be removed.
        """
        try:
            self._record.load()
        except RecordError:
            self._record.set_aside()
        self._save(LockRecord())

    def _load(self) -> LockRecord:
        """Return what is on record of this machine.

        Raises:
            RecordError: the record is damaged.
        """
        record = self._record.load()
        return LockRecord() if is_of_another(record.lock, self._owner.machine) else record

    def _settle(self, record: LockRecord, server: LockServer) -> LockAnswer:
        """Give back what may be held from before; granted: a slot may be taken."""
        answer = self._release(record)
        if not answer.granted:
            earlier = "a slot that this host may hold from before is not given back yet"
            return replace(answer, detail=f"{earlier}: {answer.detail}")
        left, now = self._record.load().lock, self._now()
        if left is None or (same_slot(left, server) and not _release_unsettled(left, now)):
            return _GRANTED
        until = max(filter(None, (left.release_settles_at, left.acquire_settles_at)))
        result = _unreachable("a call from before has no answer and may still be carried out", until - now)
        self._save(with_answer(self._record.load(), LockCall.ACQUIRE, result, now))
        return result

    def _acquire(self, record: LockRecord, server: LockServer, reason: str) -> LockAnswer:
        before, new = record.lock, self._new(record.lock, server, reason)
        during = replace(record, lock=intended(new, self._now(), before=before))
        self._save(during)
        answer = self._call(server, ACQUIRE, new.reason)
        meaning = meaning_of_acquire(answer)
        result = _answer(answer, meaning)
        _log(new, LockCall.ACQUIRE, result)
        after = replace(during, lock=after_acquire(new, meaning, self._now(), before=before))
        recorded = with_answer(after, LockCall.ACQUIRE, result, self._now())
        try:
            self._save(recorded)
        except HostError:
            self._call(server, RELEASE)  # what is on disk, the intent, has the next job do it again
            raise
        if after.lock is not None and after.lock.phase is LockPhase.RELEASING and after.lock.released_at is None:
            self._release(recorded)
        return result

    def _new(self, before: HeldLock | None, server: LockServer, reason: str) -> HeldLock:
        boot = self._owner.boot()
        held = before is not None and before.phase is LockPhase.HELD
        return HeldLock(
            phase=LockPhase.INTENT,
            url=server.url,
            group=server.group,
            id=server.id,
            since=before.since if before is not None and held else self._now(),
            boot_id=boot.boot_id,
            soft_reboots=boot.soft_reboots,
            machine=self._owner.machine,
            run_id=self._owner.run_id,
            reason=one_line(reason),
            kept=before.kept if before is not None and held else "",
        )

    def _release(self, record: LockRecord) -> LockAnswer:
        lock = record.lock
        if lock is None:
            return _GRANTED
        during = releasing(lock, self._now())
        self._save(replace(record, lock=during))
        answer = self._call(self._server_of(lock), RELEASE)
        meaning = meaning_of_release(answer)
        result = _answer(answer, meaning)
        _log(lock, LockCall.RELEASE, result)
        after = replace(record, lock=after_release(during, meaning, self._now(), before=lock))
        self._save(with_answer(after, LockCall.RELEASE, result, self._now()))
        return result

    def _release_unrecorded(self, server: LockServer) -> LockAnswer:
        answer = self._call(server, RELEASE)
        result = _answer(answer, meaning_of_release(answer))
        if result.granted:
            self._record.set_aside()
        return result

    def _server_of(self, lock: HeldLock) -> LockServer:
        """Return how the slot's server is reached; one that is not configured any more gets no credentials."""
        if self._server is not None and self._server.url == lock.url:
            return replace(self._server, group=lock.group, id=lock.id)
        ca_file = self._server.ca_file if self._server is not None else ""
        return LockServer(url=lock.url, group=lock.group, id=lock.id, ca_file=ca_file)

    def _call(self, server: LockServer, path: str, reason: str = "") -> ServerAnswer:
        self._alive()
        limit = self._timeouts.acquire if path == ACQUIRE else self._timeouts.release
        # Almost no job calls a lock server: the others do not load an HTTP library.
        client = importlib.import_module("agent.host.fleet_lock_client").FleetLockClient(server)
        answer: ServerAnswer = client.call(path, limit, reason)
        return answer

    def _save(self, record: LockRecord) -> None:
        self._record.save(record, self._now())


def _release_unsettled(lock: HeldLock, now: datetime) -> bool:
    return is_unsettled(lock.release_settles_at, now, RELEASE_SETTLES)


def _answer(answer: ServerAnswer, meaning: Meaning) -> LockAnswer:
    if meaning is Meaning.DONE:
        return _GRANTED
    why: LockWhy = "fleet-lock" if meaning is Meaning.REFUSED else "lock-unreachable"
    return LockAnswer(granted=False, why=why, detail=one_line(describe(answer)), retry_after=answer.retry_after)


def _log(lock: HeldLock, call: LockCall, answer: LockAnswer) -> None:
    if answer.granted:
        name = log.LogEvent.LOCK_ACQUIRED if call is LockCall.ACQUIRE else log.LogEvent.LOCK_RELEASED
    else:
        name = log.LogEvent.LOCK_REFUSED if answer.why == "fleet-lock" else log.LogEvent.LOCK_UNREACHABLE
    log.event(name, group=lock.group, url=lock.url, call=call.value, reason=lock.reason, error=answer.detail)


def _unreachable(detail: str, retry_after: timedelta | None = None) -> LockAnswer:
    return LockAnswer(granted=False, why="lock-unreachable", detail=detail, retry_after=retry_after)
