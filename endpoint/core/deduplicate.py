"""Deduplicates a batch: decides per message what is stored and what the receipt says.

Pure: what is stored already is an argument, what must be stored is returned.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from endpoint.core.messages import Message, MessageKind
from endpoint.core.requests import NO_DELIVERY, Delivery


class MessageStatus(Enum):
    """What the receipt says of a message."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


class ResultCode(Enum):
    """The reason, for agents; docs/endpoint, "The receipt"."""

    SEQUENCE_REUSED = "sequence-reused"
    KEY_REUSED = "key-reused"
    SUPERSEDED = "superseded"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageResult:
    """The receipt's result for one message."""

    key: str
    status: MessageStatus
    code: ResultCode | None = None
    sequence: int | None = None
    """With `SUPERSEDED`: the highest sequence of a state or heartbeat that is stored."""
    detail: str | None = None
    """For people. Agents before 0.1.0 read it, so that the sentences of the first three codes are fixed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """What identifies a stored message."""

    key: str
    sequence: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamKnowledge:
    """What is stored of a stream, as far as the batch may touch it."""

    events: Sequence[StoredKey] = ()
    """Those with the key or the sequence of one of the batch's events."""
    latest: StoredKey | None = None
    """The state or heartbeat with the highest sequence."""
    state_hash: str | None = None
    pruned_upto: int = 0
    """Events up to this sequence were stored and have been deleted."""


@dataclass(slots=True, kw_only=True)
class Deduplicated:
    """What must be stored and answered."""

    results: list[MessageResult] = field(default_factory=list)
    events: list[Message] = field(default_factory=list)
    refused_events: list[Message] = field(default_factory=list)
    """Events with an invalid body: their sequence is accounted for all the same."""
    state: Message | None = None
    latest: Message | None = None
    """The new latest state or heartbeat; None: unchanged."""
    resend_state: bool = False
    delivery: Delivery = NO_DELIVERY

    @property
    def refused(self) -> int:
        """Return how many messages were rejected."""
        return sum(result.status is MessageStatus.REFUSED for result in self.results)


def deduplicate(messages: Sequence[Message], known: StreamKnowledge) -> Deduplicated:
    """Decide on each message, in the batch's order."""
    made = Deduplicated()
    by_key = {stored.key: stored for stored in known.events}
    by_sequence = {stored.sequence: stored for stored in known.events}
    latest = known.latest
    last: Message | None = None
    for message in messages:
        if message.kind is MessageKind.EVENT:
            pruned = message.sequence <= known.pruned_upto
            result = _duplicate(message) if pruned else _event(message, by_key, by_sequence)
            if result.status is MessageStatus.ACCEPTED:
                made.events.append(message)
                by_key[message.key] = by_sequence[message.sequence] = _stored(message)
            elif result.code is ResultCode.INVALID:
                made.refused_events.append(message)
        else:
            result = _latest_only(message, latest)
            if result.code is None:
                last = message  # a duplicate, too: the receipt with `resend_state` may have been lost
            if result.status is MessageStatus.ACCEPTED and result.code is None:
                latest, made.latest = _stored(message), message
                made.state = message if message.kind is MessageKind.STATE else made.state
        made.results.append(result)
    held = made.state.hash if made.state else known.state_hash
    made.resend_state = last is not None and last.kind is MessageKind.HEARTBEAT and last.hash != held
    return made


def deduplicate_new_stream(messages: Sequence[Message]) -> Deduplicated:
    """Answer messages of an unknown stream that cannot start one: nothing is stored, the state is requested."""
    results = [
        MessageResult(key=message.key, status=MessageStatus.ACCEPTED, detail="the outbox is not known yet")
        for message in messages
    ]
    return Deduplicated(results=results, resend_state=True)


def _stored(message: Message) -> StoredKey:
    return StoredKey(key=message.key, sequence=message.sequence, digest=message.digest)


def _event(message: Message, by_key: dict[str, StoredKey], by_sequence: dict[int, StoredKey]) -> MessageResult:
    same_key = by_key.get(message.key)
    if same_key is not None:
        return _duplicate(message) if same_key.digest == message.digest else _key_reused(message)
    if message.sequence in by_sequence:
        return _sequence_reused(message)
    return _invalid(message) if message.fault is not None else _accepted(message)


def _latest_only(message: Message, latest: StoredKey | None) -> MessageResult:
    if latest is not None and message.key == latest.key:
        return _duplicate(message) if latest.digest == message.digest else _key_reused(message)
    if message.fault is not None:
        return _invalid(message)
    if latest is not None and message.sequence == latest.sequence:
        # A heartbeat has one key in a batch and another one alone.
        same = message.kind is MessageKind.HEARTBEAT and message.digest == latest.digest
        return _duplicate(message) if same else _sequence_reused(message)
    if latest is not None and message.sequence < latest.sequence:
        return _superseded(message, latest.sequence)
    return _accepted(message)


def _accepted(message: Message) -> MessageResult:
    return MessageResult(key=message.key, status=MessageStatus.ACCEPTED)


def _duplicate(message: Message) -> MessageResult:
    return MessageResult(key=message.key, status=MessageStatus.DUPLICATE)


def _superseded(message: Message, by: int) -> MessageResult:
    return MessageResult(
        key=message.key,
        status=MessageStatus.ACCEPTED,
        code=ResultCode.SUPERSEDED,
        sequence=by,
        detail=f"overtaken by sequence {by}",
    )


def _key_reused(message: Message) -> MessageResult:
    return _refused(message, ResultCode.KEY_REUSED, "key reused")


def _sequence_reused(message: Message) -> MessageResult:
    return _refused(message, ResultCode.SEQUENCE_REUSED, "sequence reused")


def _invalid(message: Message) -> MessageResult:
    return _refused(message, ResultCode.INVALID, message.fault)


def _refused(message: Message, code: ResultCode, detail: str | None) -> MessageResult:
    return MessageResult(key=message.key, status=MessageStatus.REFUSED, code=code, detail=detail)
