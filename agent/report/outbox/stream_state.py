"""Everything that an outbox stores besides its events: one typed value, kept as one JSON object. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from agent.core.frozen import field, frozen, replace
from agent.core.schedule.exports import ExportState
from agent.core.schemas import Document
from agent.report.export_state import export_state_from_document, export_state_to_document
from agent.state.timestamps import format_utc, parse_utc_or_none

OFFER_AGAIN = timedelta(days=1)
"""How long something that the endpoint refused or does not offer is not tried again: it may be fixed by then."""


@frozen
class Loss:
    """Events that will never arrive and were not reported as lost yet."""

    count: int
    first_sequence: int
    last_sequence: int
    reason: str
    """Of the newest of them: too-many-bytes, too-old, unreadable or refused."""

    def plus(self, earlier: "Loss | None") -> "Loss":
        """Return both losses as one."""
        if earlier is None:
            return self
        return replace(
            self,
            count=self.count + earlier.count,
            first_sequence=min(self.first_sequence, earlier.first_sequence),
            last_sequence=max(self.last_sequence, earlier.last_sequence),
        )


@frozen
class RefusedState:
    """A state that the endpoint refused: it is not sent again before `until`."""

    hash: str
    until: datetime
    why: str


@frozen
class StreamState:
    """Where one stream of events stands. What only one exporter uses keeps its default in the others' outboxes."""

    instance_id: str = ""
    """The stream's name, a UUID; empty in a new file."""
    host_id: str = ""
    start_reason: str = ""
    """As in the outbox-begun event."""
    last_sequence: int = 0
    """Of the newest event ever written; never reused."""
    cursor: Mapping[str, object] | None = None
    """Which events of the record were queued (`agent.report.events`); None before the first time."""
    lost: Loss | None = None
    dropped: int = 0
    refused: int = 0
    """Events that the other side refused."""
    limits_checked_at: datetime | None = None
    clock_jumped_at: datetime | None = None
    """When a forward jump of the clock was noticed."""
    url: str | None = None
    """The endpoint that this stream goes to."""
    state_sequence: int = 0
    """Of the newest state or heartbeat; the two share a counter."""
    sent_hash: str | None = None
    """Of the state that the endpoint holds."""
    refused_state: RefusedState | None = None
    batches_until: datetime | None = None
    """The endpoint has no short heartbeat: until then heartbeats go out in batches."""
    batch_limit: int | None = None
    """Messages per batch, halved while a batch is rejected; None: as many as the contract allows."""
    export_state: ExportState = field(default_factory=ExportState)
    last_attempt: Mapping[str, object] | None = None
    """last_success_at, failing_since, why, skew_s; as in the exporter's status file."""

    def sends_batches_only(self, now: datetime) -> bool:
        """Return whether heartbeats go out in batches, as the endpoint has no short one."""
        return self.batches_until is not None and _counts(self.batches_until, now)

    def is_refused(self, digest: object, now: datetime) -> bool:
        """Return whether the endpoint refused this state lately."""
        refused = self.refused_state
        return refused is not None and refused.hash == digest and _counts(refused.until, now)


def _counts(until: datetime, now: datetime) -> bool:
    """Return whether a time of at most `OFFER_AGAIN` lasts; one that ends later is from before a clock was set back."""
    return now < until <= now + OFFER_AGAIN


def stream_state_to_document(state: StreamState) -> Document:
    """Return the JSON object; `stream_state_from_document` reads it back."""
    refused = state.refused_state
    return {
        "instance_id": state.instance_id,
        "host_id": state.host_id,
        "start_reason": state.start_reason,
        "last_sequence": state.last_sequence,
        "cursor": state.cursor,
        "lost": state.lost and loss_to_document(state.lost),
        "dropped": state.dropped,
        "refused": state.refused,
        "limits_checked_at": _format(state.limits_checked_at),
        "clock_jumped_at": _format(state.clock_jumped_at),
        "url": state.url,
        "state_sequence": state.state_sequence,
        "sent_hash": state.sent_hash,
        "refused_state": refused and {"hash": refused.hash, "until": format_utc(refused.until), "why": refused.why},
        "batches_until": _format(state.batches_until),
        "batch_limit": state.batch_limit,
        "export_state": export_state_to_document(state.export_state),
        "last_attempt": state.last_attempt,
    }


def stream_state_from_document(found: object) -> StreamState:
    """Read the state. A member of another type keeps its default; whether the stream can go on is for the caller."""
    document = found if isinstance(found, dict) else {}
    return StreamState(
        instance_id=_text(document, "instance_id") or "",
        host_id=_text(document, "host_id") or "",
        start_reason=_text(document, "start_reason") or "",
        last_sequence=_count(document, "last_sequence"),
        cursor=_object(document, "cursor"),
        lost=loss_from_document(document.get("lost")),
        dropped=_count(document, "dropped"),
        refused=_count(document, "refused"),
        limits_checked_at=parse_utc_or_none(document.get("limits_checked_at")),
        clock_jumped_at=parse_utc_or_none(document.get("clock_jumped_at")),
        url=_text(document, "url"),
        state_sequence=_count(document, "state_sequence"),
        sent_hash=_text(document, "sent_hash"),
        refused_state=_refused_state(_object(document, "refused_state") or {}),
        batches_until=parse_utc_or_none(document.get("batches_until")),
        batch_limit=_count(document, "batch_limit") or None,
        export_state=export_state_from_document(document.get("export_state")),
        last_attempt=_object(document, "last_attempt"),
    )


def loss_to_document(loss: Loss) -> Document:
    """Return the document of a messages-lost event."""
    sequences = {"first_sequence": loss.first_sequence, "last_sequence": loss.last_sequence}
    return {"count": loss.count, **sequences, "reason": loss.reason}


def loss_from_document(found: object) -> Loss | None:
    """Read a loss, also that of a messages-lost event; None where a number is missing."""
    if not isinstance(found, dict):
        return None
    count, first, last = (found.get(name) for name in ("count", "first_sequence", "last_sequence"))
    if not isinstance(count, int) or not isinstance(first, int) or not isinstance(last, int):
        return None
    return Loss(count=count, first_sequence=first, last_sequence=last, reason=str(found.get("reason") or "unreadable"))


def sent_part(state: StreamState) -> StreamState:
    """Return only what changes as states are sent: what `continued` needs, and what a world-readable file may have."""
    return StreamState(
        instance_id=state.instance_id,
        state_sequence=state.state_sequence,
        sent_hash=state.sent_hash,
        refused_state=state.refused_state,
        batches_until=state.batches_until,
    )


def continued(on_disk: StreamState, kept: StreamState) -> StreamState:
    """Return the state on a disk that is read-only, with what was sent since it was written.

    `kept` is of the exporter's status file: it counts where it is of the same stream and not older.
    """
    if kept.instance_id != on_disk.instance_id or kept.state_sequence < on_disk.state_sequence:
        return on_disk
    return replace(
        on_disk,
        state_sequence=kept.state_sequence,
        sent_hash=kept.sent_hash,
        refused_state=kept.refused_state,
        batches_until=kept.batches_until,
    )


def _refused_state(found: Mapping[str, object]) -> RefusedState | None:
    digest, until = found.get("hash"), parse_utc_or_none(found.get("until"))
    if not isinstance(digest, str) or until is None:
        return None
    return RefusedState(hash=digest, until=until, why=str(found.get("why") or ""))


def _format(when: datetime | None) -> str | None:
    return None if when is None else format_utc(when)


def _text(document: Document, name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) else None


def _count(document: Document, name: str) -> int:
    value = document.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _object(document: Document, name: str) -> Mapping[str, object] | None:
    value = document.get(name)
    return value if isinstance(value, dict) else None
