"""`maestro.batch/1` and the endpoint's receipt, `maestro.receipt/1`. Pure. Receipts are untrusted input."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from agent.core.frozen import frozen
from agent.core.pattern import lazy_pattern
from agent.core.requests.model import NO_OFFERS, RequestOffers
from agent.core.requests.wire import read_offers
from agent.core.schemas import BATCH_SCHEMA, RECEIPT_SCHEMA, Document
from agent.core.valid_text import valid_text
from agent.state.timestamps import format_utc

MAX_MESSAGES = 500
MAX_BYTES = 1_000_000
"""Before compression, so that the compressed batch is never too large."""
_MAX_SEQUENCE = 10**15
_OLD_SUPERSEDED = lazy_pattern(r"overtaken by sequence ([0-9]{1,15})")


class MessageKind(Enum):
    """Kind of a message."""

    EVENT = "event"
    STATE = "state"
    HEARTBEAT = "heartbeat"


class MessageStatus(Enum):
    """What the endpoint did with one message."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


class ResultCode(Enum):
    """Why; the agent branches on this and never on `detail`."""

    SEQUENCE_REUSED = "sequence-reused"
    """Another event of the stream has this sequence."""
    KEY_REUSED = "key-reused"
    """Another message of the stream has this key."""
    SUPERSEDED = "superseded"
    """A state or heartbeat with a higher sequence is stored already."""


@frozen
class Message:
    """One message of a batch."""

    key: str
    kind: MessageKind
    sequence: int
    created_at: str
    body: Mapping[str, object]

    @property
    def document(self) -> Document:
        """The JSON object that is sent."""
        return {
            "key": self.key,
            "kind": self.kind.value,
            "sequence": self.sequence,
            "created_at": self.created_at,
            "body": self.body,
        }


@frozen
class MessageResult:
    """The receipt's result for one message."""

    status: MessageStatus
    code: ResultCode | None = None
    """None where there is no code, or one that this agent does not know."""
    sequence: int | None = None
    """With `SUPERSEDED`: the highest sequence of a state or heartbeat that the endpoint holds."""
    detail: str = ""
    """For people only."""

    def is_refused(self, *codes: ResultCode) -> bool:
        """Return whether the message was refused, with one of these codes where any are given."""
        return self.status is MessageStatus.REFUSED and (not codes or self.code in codes)


@frozen
class Receipt:
    """The answer to a batch."""

    results: Sequence[MessageResult]
    """One for each message, in the batch's order."""
    resend_state: bool
    offers: RequestOffers = NO_OFFERS
    """Requests of people that it carries; not verified."""


def batch_document(
    messages: Sequence[Message], *, host_id: str, instance_id: str, version: str, now: datetime
) -> Document:
    """Return the `maestro.batch/1` that is sent."""
    return {
        "schema": BATCH_SCHEMA,
        "host_id": host_id,
        "instance_id": instance_id,
        "agent_version": version,
        "sent_at": format_utc(now),
        "messages": [message.document for message in messages],
    }


def read_receipt(text: str, messages: Sequence[Message]) -> Receipt | None:
    """Parse the receipt for these messages; None where it is not one.

    A receipt for only some of them, or in another order, is rejected: its results cannot be assigned safely.
    """
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if (
        not isinstance(found, dict)
        or found.get("schema") != RECEIPT_SCHEMA
        or not isinstance(found.get("results"), list)
    ):
        return None
    results = [_result(one, message) for one, message in zip(found["results"], messages, strict=False)]
    if len(found["results"]) != len(messages) or None in results:
        return None
    return Receipt(
        results=[one for one in results if one],
        resend_state=found.get("resend_state") is True,
        offers=read_offers(found),
    )


def _result(found: object, message: Message) -> MessageResult | None:
    if not isinstance(found, dict) or found.get("key") != message.key:
        return None
    try:
        status = MessageStatus(found.get("status"))
    except ValueError:
        return None
    detail = valid_text(str(found.get("detail") or ""))
    if "code" not in found:
        return _result_of_old_endpoint(status, detail)
    code = next((one for one in ResultCode if one.value == found["code"]), None)
    sequence = found.get("sequence")
    if not isinstance(sequence, int) or isinstance(sequence, bool) or not 0 <= sequence < _MAX_SEQUENCE:
        sequence = None
    if code is ResultCode.SUPERSEDED and sequence is None:
        code = None  # without the sequence there is nothing to continue from
    return MessageResult(status=status, code=code, sequence=sequence, detail=detail)


def _result_of_old_endpoint(status: MessageStatus, detail: str) -> MessageResult:
    """Read a result without `code`, as endpoints before 0.1.0 wrote it: their fixed sentences stand for the codes."""
    codes = {"sequence reused": ResultCode.SEQUENCE_REUSED, "key reused": ResultCode.KEY_REUSED}
    if superseded := _OLD_SUPERSEDED.fullmatch(detail):
        sequence = int(superseded[1])
        return MessageResult(status=status, code=ResultCode.SUPERSEDED, sequence=sequence, detail=detail)
    code = codes.get(detail) if status is MessageStatus.REFUSED else None
    return MessageResult(status=status, code=code, detail=detail)
