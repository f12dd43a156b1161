"""`maestro.batch/1`, and what the centre's receipt says of each message. Pure; believes nothing of it unseen."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from agent.state.timestamps import format_utc

Document = dict[str, object]
_SCHEMA = "maestro.batch/1"
_RECEIPT = "maestro.receipt/1"
MAX_MESSAGES = 500
MAX_BYTES = 1_000_000
"""Before it is compressed, so that it is never too large after."""


class MessageKind(Enum):
    """What a message is."""

    EVENT = "event"
    STATE = "state"
    HEARTBEAT = "heartbeat"


class MessageStatus(Enum):
    """What the centre made of one message."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message."""

    key: str
    kind: MessageKind
    sequence: int
    created_at: str
    body: Mapping[str, object]

    @property
    def document(self) -> Document:
        """Return it as it goes out."""
        return {
            "key": self.key,
            "kind": self.kind.value,
            "sequence": self.sequence,
            "created_at": self.created_at,
            "body": self.body,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a batch."""

    results: Sequence[tuple[MessageStatus, str]]
    """Of each message, in the batch's order, with the centre's words."""
    resend_state: bool


def batch_document(
    messages: Sequence[Message], *, host_id: str, instance_id: str, version: str, now: datetime
) -> Document:
    """Return the batch as it goes out."""
    return {
        "schema": _SCHEMA,
        "host_id": host_id,
        "instance_id": instance_id,
        "agent_version": version,
        "sent_at": format_utc(now),
        "messages": [message.document for message in messages],
    }


def read_receipt(text: str, messages: Sequence[Message]) -> Receipt | None:
    """Return what the centre says became of these messages; None where it is no receipt for them.

    A receipt for some of them, or in another order, is none: what it would say of a message is not sure.
    """
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("schema") != _RECEIPT or not isinstance(found.get("results"), list):
        return None
    results = [_result(one, message) for one, message in zip(found["results"], messages, strict=False)]
    if len(found["results"]) != len(messages) or None in results:
        return None
    return Receipt(results=[one for one in results if one], resend_state=found.get("resend_state") is True)


def _result(found: object, message: Message) -> tuple[MessageStatus, str] | None:
    if not isinstance(found, dict) or found.get("key") != message.key:
        return None
    try:
        return MessageStatus(found.get("status")), str(found.get("detail") or "")
    except ValueError:
        return None
