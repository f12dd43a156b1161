"""The nouns: a batch of messages as it came in, frozen.

Knows no clock, no files, no database, and does not judge: a batch is made of what the schema has let through.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from endpoint.errors import RefusedError

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SEQUENCE = re.compile(r"[1-9][0-9]{0,18}")
_HIGHEST = 2**63 - 1


class MessageKind(Enum):
    """What a message is."""

    EVENT = "event"
    STATE = "state"
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, whatever its body is worth."""

    key: str
    kind: MessageKind
    sequence: int
    created_at: str
    body: Mapping[str, Any]
    text: str
    """The body as JSON in ASCII with sorted keys: no database stumbles over a NUL or half a surrogate pair."""
    digest: str
    """Of all but the key: what makes a message the same as one that came before."""
    fault: str | None = None
    """What is wrong with the body; None where nothing is."""

    @property
    def type(self) -> str:
        """Return what kind of event it is."""
        return str(self.body["type"])

    @property
    def document(self) -> Mapping[str, Any]:
        """Return what an event says of itself."""
        document: Mapping[str, Any] = self.body["document"]
        return document

    @property
    def hash(self) -> str:
        """Return the hash of the state that a state is, or that a heartbeat speaks of."""
        return str(self.body["hash"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one request carried."""

    host_id: str
    instance_id: str
    agent_version: str | None
    """None: a heartbeat on its own, which does not say; it begins no stream either."""
    messages: tuple[Message, ...]


def read_message(raw: Mapping[str, Any], fault: str | None) -> Message:
    """Make a message of what `maestro.batch/1` lets through."""
    text = json.dumps(raw["body"], sort_keys=True, separators=(",", ":"))
    sequence = int(raw["sequence"])  # to JSON Schema 1.0 is an integer, too
    kind = MessageKind(raw["kind"])
    # A heartbeat on its own does not say when it was written, and shall be known again when it comes in a batch.
    written = "" if kind is MessageKind.HEARTBEAT else raw["created_at"]
    digest = hashlib.sha256(f"{kind.value}\n{sequence}\n{written}\n{text}".encode("ascii"))
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
    """Where a heartbeat on its own belongs, as its address says."""

    host_id: str
    instance_id: str
    sequence: int


def read_heartbeat_address(host: str, instance: str, sequence: str) -> HeartbeatAddress:
    """Read the parts of an address.

    Raises:
        RefusedError: one of them cannot be meant.
    """
    for name, text in (("host_id", host), ("instance_id", instance)):
        if not _UUID.fullmatch(text):
            raise RefusedError(400, f"{name} in the address is no UUID in small letters")
    if not _SEQUENCE.fullmatch(sequence) or int(sequence) > _HIGHEST:
        raise RefusedError(400, f"the sequence in the address is no whole number from 1 to {_HIGHEST}")
    return HeartbeatAddress(host_id=host, instance_id=instance, sequence=int(sequence))


def read_heartbeat(place: HeartbeatAddress, body: Mapping[str, Any]) -> Batch:
    """Make a batch of a heartbeat on its own; `maestro.heartbeat/1` has let its body through."""
    raw = {
        "key": f"h-{place.sequence:020}", "kind": "heartbeat", "sequence": place.sequence,
        "created_at": "", "body": body,
    }  # fmt: skip
    message = read_message(raw, None)
    return Batch(host_id=place.host_id, instance_id=place.instance_id, agent_version=None, messages=(message,))
