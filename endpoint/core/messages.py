"""A received batch and its messages, frozen. Pure; the input has passed its schema."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from endpoint.core.host_id import require_path_uuid
from endpoint.errors import RefusedError

_SEQUENCE = re.compile(r"[1-9][0-9]{0,18}")
_MAX_SEQUENCE = 2**63 - 1


class MessageKind(Enum):
    """Kind of a message."""

    EVENT = "event"
    STATE = "state"
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message; its body may be invalid."""

    key: str
    kind: MessageKind
    sequence: int
    created_at: str
    body: Mapping[str, Any]
    text: str
    """The body as JSON in ASCII with sorted keys: no database rejects a NUL or a lone surrogate."""
    digest: str
    """SHA-256 of everything but the key: equal digests are equal messages."""
    fault: str | None = None
    """The error in the body; None: valid."""

    @property
    def type(self) -> str:
        """Return the event's type."""
        return str(self.body["type"])

    @property
    def document(self) -> Mapping[str, Any]:
        """Return the event's document."""
        document: Mapping[str, Any] = self.body["document"]
        return document

    @property
    def hash(self) -> str:
        """Return the hash of a state, or the state hash in a heartbeat."""
        return str(self.body["hash"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The messages of one request."""

    host_id: str
    instance_id: str
    agent_version: str | None
    """None: a single heartbeat, which has no version; it starts no stream."""
    messages: tuple[Message, ...]
    sent_at: str | None = None
    """By the host's clock, as the times in the messages. None: unknown, as with a single heartbeat."""


def read_message(raw: Mapping[str, Any], fault: str | None) -> Message:
    """Build a message from a member of a valid `maestro.batch/1`."""
    text = json.dumps(raw["body"], sort_keys=True, separators=(",", ":"))
    sequence = int(raw["sequence"])  # JSON Schema takes 1.0 for an integer
    kind = MessageKind(raw["kind"])
    # A single heartbeat has no creation time; its digest must match when it is sent again in a batch.
    created_at = "" if kind is MessageKind.HEARTBEAT else raw["created_at"]
    digest = hashlib.sha256(f"{kind.value}\n{sequence}\n{created_at}\n{text}".encode("ascii"))
    return Message(
        key=raw["key"],
        kind=kind,
        sequence=sequence,
        created_at=raw["created_at"],
        body=raw["body"],
        text=text,
        digest=digest.hexdigest(),
        fault=fault,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatAddress:
    """Stream and sequence of a single heartbeat, from its path."""

    host_id: str
    instance_id: str
    sequence: int


def read_heartbeat_address(host: str, instance: str, sequence: str) -> HeartbeatAddress:
    """Parse the parts of the path.

    Raises:
        RefusedError: one of them is invalid.
    """
    for name, text in (("host_id", host), ("instance_id", instance)):
        require_path_uuid(name, text)
    if not _SEQUENCE.fullmatch(sequence) or int(sequence) > _MAX_SEQUENCE:
        raise RefusedError(400, f"the sequence in the path is not an integer from 1 to {_MAX_SEQUENCE}")
    return HeartbeatAddress(host_id=host, instance_id=instance, sequence=int(sequence))


def read_heartbeat(place: HeartbeatAddress, body: Mapping[str, Any]) -> Batch:
    """Build a batch from a single heartbeat with a valid `maestro.heartbeat/1` as body."""
    raw = {
        "key": f"h-{place.sequence:020}", "kind": "heartbeat", "sequence": place.sequence,
        "created_at": "", "body": body,
    }  # fmt: skip
    message = read_message(raw, None)
    return Batch(host_id=place.host_id, instance_id=place.instance_id, agent_version=None, messages=(message,))
