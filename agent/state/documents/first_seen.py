"""`maestro.first-seen/1`, which only the agent reads. Pure."""

from datetime import datetime, timedelta

from agent.core.packages.first_seen import Counted, FirstSeen, Sighting
from agent.core.schemas import FIRST_SEEN_SCHEMA, Document
from agent.errors import RecordError
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc

_LONGEST = timedelta(days=36500)
"""Nothing waits for a hundred years, and more would not fit into a time."""


def first_seen_to_document(seen: FirstSeen, generated_at: datetime) -> Document:
    """Return `maestro.first-seen/1`."""
    return {
        "schema": FIRST_SEEN_SCHEMA,
        "generated_at": format_utc(generated_at),
        "versions": [_sighting_to_document(one) for one in seen],
    }


def first_seen_from_document(document: JsonReader) -> FirstSeen:
    """Return the sightings.

    Raises:
        RecordError: the document is malformed.
    """
    return tuple(_sighting_from_document(part) for part in document.children("versions"))


def _sighting_to_document(one: Sighting) -> Document:
    counted = one.counted
    return {
        "package": one.package,
        "architecture": one.architecture,
        "version": one.version,
        "security": one.security,
        "first_seen_at": format_utc(one.first_seen_at),
        "waited_s": int(counted.waited.total_seconds()) if counted else None,
        "waited_at": format_utc(counted.at) if counted else None,
        "gone_at": format_utc(one.gone_at) if one.gone_at else None,
    }


def _sighting_from_document(part: JsonReader) -> Sighting:
    return Sighting(
        package=part.text("package"),
        architecture=part.text("architecture"),
        version=part.text("version"),
        security=part.boolean("security"),
        first_seen_at=part.time("first_seen_at"),
        counted=_counted_from_document(part),
        gone_at=part.optional_time("gone_at"),
    )


def _counted_from_document(part: JsonReader) -> Counted | None:
    at = part.optional_time("waited_at")
    if at is None:
        return None
    waited_s = part.number("waited_s")
    if not 0 <= waited_s <= _LONGEST.total_seconds():
        raise RecordError(f"waited_s: {waited_s!r} is out of range")
    return Counted(waited=timedelta(seconds=waited_s), at=at)
