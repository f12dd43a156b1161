"""`maestro.fleet-lock/1`: the slot of a FleetLock server that this host holds or may hold. Pure.

The decoder raises RecordError. The document has no token: everybody may read it.
"""

from datetime import datetime, timedelta

from agent.core.fleet_lock.model import HeldLock, LockAnswer, LockCall, LockPhase, LockRecord, LockRefusal, LockWhy
from agent.core.schemas import FLEET_LOCK_SCHEMA, Document
from agent.errors import RecordError
from agent.state.documents.parts import enum_from_document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc

_FREE = "free"
"""The `phase` of a document without a slot."""
_WHYS: dict[str, LockWhy] = {"": "", "fleet-lock": "fleet-lock", "lock-unreachable": "lock-unreachable"}


def lock_to_document(record: LockRecord, generated_at: datetime) -> Document:
    """Return `maestro.fleet-lock/1`; `phase` is "free" without a slot, and the fields of the slot are null."""
    lock, refusal = record.lock, record.refusal
    return {
        "schema": FLEET_LOCK_SCHEMA,
        "generated_at": format_utc(generated_at),
        "phase": lock.phase.value if lock else _FREE,
        "url": lock.url if lock else None,
        "group": lock.group if lock else None,
        "id": lock.id if lock else None,
        "since": format_utc(lock.since) if lock else None,
        "boot": {"boot_id": lock.boot_id, "soft_reboots": lock.soft_reboots} if lock else None,
        "machine": (lock.machine or None) if lock else None,
        "run_id": (lock.run_id or None) if lock else None,
        "reason": (lock.reason or None) if lock else None,
        "kept": (lock.kept or None) if lock else None,
        "released_at": _time(lock.released_at) if lock else None,
        "acquire_settles_at": _time(lock.acquire_settles_at) if lock else None,
        "release_settles_at": _time(lock.release_settles_at) if lock else None,
        "refusal": _refusal_to_document(refusal) if refusal else None,
    }


def lock_from_document(reader: JsonReader) -> LockRecord:
    """Return the value of a document."""
    refusal = reader.optional_child("refusal")
    return LockRecord(
        lock=None if reader.text("phase") == _FREE else _held_from_document(reader),
        refusal=_refusal_from_document(refusal) if refusal else None,
    )


def _held_from_document(reader: JsonReader) -> HeldLock:
    boot = reader.child("boot")
    return HeldLock(
        phase=enum_from_document(reader, "phase", LockPhase),
        url=reader.text("url"),
        group=reader.text("group"),
        id=reader.text("id"),
        since=reader.time("since"),
        boot_id=boot.text("boot_id"),
        soft_reboots=int(boot.number("soft_reboots")),
        machine=reader.optional_text("machine") or "",
        run_id=reader.optional_text("run_id") or "",
        reason=reader.optional_text("reason") or "",
        kept=reader.optional_text("kept") or "",
        released_at=reader.optional_time("released_at"),
        acquire_settles_at=reader.optional_time("acquire_settles_at"),
        release_settles_at=reader.optional_time("release_settles_at"),
    )


def _refusal_to_document(refusal: LockRefusal) -> Document:
    wait = refusal.answer.retry_after
    return {
        "call": refusal.call.value,
        "at": format_utc(refusal.at),
        "since": format_utc(refusal.since),
        "why": refusal.answer.why,
        "detail": refusal.answer.detail,
        "retry_after_s": wait.total_seconds() if wait is not None else None,
    }


def _refusal_from_document(part: JsonReader) -> LockRefusal:
    why = _WHYS.get(part.text("why"))
    if why is None:
        raise RecordError(f"why: {part.text('why')!r} is not a known value")
    answer = LockAnswer(granted=False, why=why, detail=part.text("detail"), retry_after=_retry_after(part))
    call = enum_from_document(part, "call", LockCall)
    return LockRefusal(call=call, at=part.time("at"), since=part.time("since"), answer=answer)


def _retry_after(part: JsonReader) -> timedelta | None:
    if part.raw.get("retry_after_s") is None:
        return None
    try:
        return timedelta(seconds=part.number("retry_after_s"))
    except OverflowError as error:
        raise RecordError(f"retry_after_s: {part.raw['retry_after_s']!r} is no duration") from error


def _time(when: datetime | None) -> str | None:
    return format_utc(when) if when is not None else None
