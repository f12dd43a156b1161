"""`maestro.event/1` as the outbox stores it: one JSON text per event. Pure."""

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agent.core.frozen import frozen
from agent.core.schemas import EVENT_SCHEMA
from agent.state.timestamps import format_utc

MESSAGES_LOST = "messages-lost"
OUTBOX_BEGUN = "outbox-begun"
_FIRST_EVENT = {"first_sequence": 1, "last_sequence": 1}
"""The sequence of the `outbox-begun` event, which arrives: a loss event with this range explains no gap."""


@frozen
class QueuedEvent:
    """An event that is not acknowledged yet."""

    sequence: int
    key: str
    created_at: str
    body: str
    """`maestro.event/1` as it was written."""


def write_event(kind: str, at: datetime, document: Mapping[str, object]) -> str:
    """Return the event's JSON text."""
    return json.dumps({"schema": EVENT_SCHEMA, "type": kind, "at": format_utc(at), "document": document})


def parse_event(body: str) -> dict[str, Any] | None:
    """Parse an event's text; None where the disk returned something else than was written."""
    try:
        event = json.loads(body, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or event.get("schema") != EVENT_SCHEMA:
        return None
    return event if isinstance(event.get("type"), str) and isinstance(event.get("document"), dict) else None


def for_new_stream(body: str) -> str | None:
    """Return a queued event's text for a new stream; None for an outbox-begun event, which does not move.

    The sequences of a messages-lost event are those of the previous stream: only its count remains true.
    """
    event = parse_event(body)
    if event is None or event["type"] not in {OUTBOX_BEGUN, MESSAGES_LOST}:
        return body
    if event["type"] == OUTBOX_BEGUN:
        return None
    return json.dumps({**event, "document": event["document"] | _FIRST_EVENT})


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not JSON")
    return number
