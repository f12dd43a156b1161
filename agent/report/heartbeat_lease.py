"""Which heartbeats the daemon may send itself: numbers that the exporter's process reserved for it. Pure and light.

States and heartbeats share one counter in the outbox, which only the process writes. It reserves a block of numbers for
the daemon that started it, and that daemon counts within the block in memory: nothing is written for a heartbeat. A
block is for one start of the daemon, so that no number is used twice; numbers that remain are skipped.
"""

from collections.abc import Mapping
from datetime import datetime

from agent.core.frozen import frozen
from agent.core.schemas import Document
from agent.report.outbox.stream_state import StreamState

BLOCK = 500
"""Numbers per lease: more than a day of heartbeats at the default interval."""


@frozen
class HeartbeatLease:
    """A block of numbers, and what it is for."""

    holder: str
    """The start of the daemon that may use it."""
    url: str
    """Of the endpoint that it is for."""
    host_id: str
    instance_id: str
    hash: str
    """Of the state that the endpoint holds: only while the report has it there is nothing to send but heartbeats."""
    booted_at: str | None
    """As the stream's reports have it."""
    first: int
    last: int


def lease_after(state: StreamState, holder: str, digest: str, now: datetime) -> HeartbeatLease | None:
    """Return a lease after everything was delivered and `digest` is the current report's; None: there can be none.

    The process is needed as long as the endpoint takes heartbeats in batches only, lacks the state or refuses it, a
    loss is to be reported, or a run that is recorded has not ended.
    """
    cursor = state.cursor or {}
    unsettled = state.lost is not None or bool(cursor.get("open")) or bool(cursor.get("begun"))
    if not holder or not state.url or state.sent_hash != digest or state.sends_batches_only(now) or unsettled:
        return None
    booted_at = cursor.get("booted_at")
    return HeartbeatLease(
        holder=holder,
        url=state.url,
        host_id=state.host_id,
        instance_id=state.instance_id,
        hash=digest,
        booted_at=booted_at if isinstance(booted_at, str) else None,
        first=state.state_sequence + 1,
        last=state.state_sequence + BLOCK,
    )


def lease_to_document(lease: HeartbeatLease) -> Document:
    """Return the JSON object; `lease_from_document` reads it back."""
    return {
        "holder": lease.holder,
        "url": lease.url,
        "host_id": lease.host_id,
        "instance_id": lease.instance_id,
        "hash": lease.hash,
        "booted_at": lease.booted_at,
        "first": lease.first,
        "last": lease.last,
    }


def lease_from_document(found: object) -> HeartbeatLease | None:
    """Read a lease; None where there is none, or a member is missing or of another type."""
    if not isinstance(found, Mapping):
        return None
    names = ("holder", "url", "host_id", "instance_id", "hash")
    texts = {name: found.get(name) for name in names}
    first, last, booted_at = found.get("first"), found.get("last"), found.get("booted_at")
    if not all(isinstance(text, str) and text for text in texts.values()) or not _is_block(first, last):
        return None
    known = booted_at if isinstance(booted_at, str) else None
    return HeartbeatLease(**texts, booted_at=known, first=first, last=last)  # type: ignore[arg-type]


def _is_block(first: object, last: object) -> bool:
    return type(first) is int and type(last) is int and 0 < first <= last
