"""Tells new messages from known ones, and says what is to be stored and answered.

Knows no clock, no database and no network: what is stored already is handed in, what shall be stored is handed back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from endpoint.core.messages import Message, MessageKind


class MessageStatus(Enum):
    """What became of a message."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageResult:
    """The answer to one message."""

    key: str
    status: MessageStatus
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """What is remembered of a message: enough to know it again."""

    key: str
    sequence: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamKnowledge:
    """What is stored of a stream already, as far as this batch may touch it."""

    events: Sequence[StoredKey] = ()
    """Those that have a key or a sequence of the batch's events."""
    latest: StoredKey | None = None
    """The last state or heartbeat, whichever has the higher sequence."""
    state_hash: str | None = None
    pruned_upto: int = 0
    """Events up to this sequence were there, and are no longer kept."""


@dataclass(slots=True, kw_only=True)
class Deduplicated:
    """What is to be stored and answered."""

    results: list[MessageResult] = field(default_factory=list)
    events: list[Message] = field(default_factory=list)
    refused_events: list[Message] = field(default_factory=list)
    """Events whose body is bad: their sequence is accounted for all the same."""
    state: Message | None = None
    latest: Message | None = None
    """The state or heartbeat that counts from now on; None where the one before still does."""
    resend_state: bool = False

    @property
    def refused(self) -> int:
        """Return how many messages were refused."""
        return sum(result.status is MessageStatus.REFUSED for result in self.results)


def deduplicate(messages: Sequence[Message], known: StreamKnowledge) -> Deduplicated:
    """Go through a batch in its order."""
    sifted = Deduplicated()
    by_key = {seen.key: seen for seen in known.events}
    by_sequence = {seen.sequence: seen for seen in known.events}
    latest = known.latest
    last: Message | None = None
    for message in messages:
        if message.kind is MessageKind.EVENT:
            pruned = message.sequence <= known.pruned_upto
            status, detail = (MessageStatus.DUPLICATE, None) if pruned else _event(message, by_key, by_sequence)
            if status is MessageStatus.ACCEPTED:
                sifted.events.append(message)
                by_key[message.key] = by_sequence[message.sequence] = _seen(message)
            elif detail == message.fault is not None:
                sifted.refused_events.append(message)
        else:
            status, detail = _only_latest(message, latest)
            if status is not MessageStatus.REFUSED and detail is None:
                last = message  # a duplicate, too: the answer that asked for the state may have been lost
            if status is MessageStatus.ACCEPTED and detail is None:
                latest, sifted.latest = _seen(message), message
                sifted.state = message if message.kind is MessageKind.STATE else sifted.state
        sifted.results.append(MessageResult(key=message.key, status=status, detail=detail))
    held = sifted.state.hash if sifted.state else known.state_hash
    sifted.resend_state = last is not None and last.kind is MessageKind.HEARTBEAT and last.hash != held
    return sifted


def deduplicate_new_stream(messages: Sequence[Message]) -> Deduplicated:
    """Answer what belongs to no known stream and may not begin one: nothing is stored, the state is asked for."""
    results = [
        MessageResult(key=message.key, status=MessageStatus.ACCEPTED, detail="of an outbox not known yet")
        for message in messages
    ]
    return Deduplicated(results=results, resend_state=True)


def _seen(message: Message) -> StoredKey:
    return StoredKey(key=message.key, sequence=message.sequence, digest=message.digest)


def _event(
    message: Message, by_key: dict[str, StoredKey], by_sequence: dict[int, StoredKey]
) -> tuple[MessageStatus, str | None]:
    same_key, same_sequence = by_key.get(message.key), by_sequence.get(message.sequence)
    if same_key is not None:
        same = same_key.digest == message.digest
        return (MessageStatus.DUPLICATE, None) if same else (MessageStatus.REFUSED, "key reused")
    if same_sequence is not None:
        return MessageStatus.REFUSED, "sequence reused"
    return (MessageStatus.REFUSED, message.fault) if message.fault is not None else (MessageStatus.ACCEPTED, None)


def _only_latest(message: Message, latest: StoredKey | None) -> tuple[MessageStatus, str | None]:
    if latest is not None and message.key == latest.key:
        same = latest.digest == message.digest
        return (MessageStatus.DUPLICATE, None) if same else (MessageStatus.REFUSED, "key reused")
    if message.fault is not None:
        return MessageStatus.REFUSED, message.fault
    if latest is not None and message.sequence == latest.sequence:
        if message.kind is MessageKind.HEARTBEAT and message.digest == latest.digest:
            return (
                MessageStatus.DUPLICATE,
                None,
            )  # it came in a batch once and on its own once, each with a key of its own
        return MessageStatus.REFUSED, "sequence reused"
    if latest is not None and message.sequence < latest.sequence:
        return MessageStatus.ACCEPTED, f"overtaken by sequence {latest.sequence}"
    return MessageStatus.ACCEPTED, None
