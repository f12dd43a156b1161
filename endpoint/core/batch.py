"""The nouns: a batch of messages as it came in, frozen.

Knows no clock, no files, no database, and does not judge: a batch is made of what the schema has let through.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Kind(Enum):
    """What a message is."""

    EVENT = "event"
    STATE = "state"
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, whatever its body is worth."""

    key: str
    kind: Kind
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
    agent_version: str
    messages: tuple[Message, ...]


def read_message(raw: Mapping[str, Any], fault: str | None) -> Message:
    """Make a message of what `maestro.batch/1` lets through."""
    text = json.dumps(raw["body"], sort_keys=True, separators=(",", ":"))
    sequence = int(raw["sequence"])  # to JSON Schema 1.0 is an integer, too
    digest = hashlib.sha256(f"{raw['kind']}\n{sequence}\n{raw['created_at']}\n{text}".encode("ascii"))
    return Message(
        key=raw["key"],
        kind=Kind(raw["kind"]),
        sequence=sequence,
        created_at=raw["created_at"],
        body=raw["body"],
        text=text,
        digest=digest.hexdigest(),
        fault=fault,
    )
