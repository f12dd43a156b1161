"""`maestro.snoozes/1`, encoded and decoded side by side. Pure."""

from collections.abc import Iterable
from datetime import datetime

from agent.core.model.waiting import Snooze
from agent.core.schemas import SNOOZES_SCHEMA, Document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc


def snoozes_to_document(snoozes: Iterable[Snooze], generated_at: datetime) -> Document:
    """Return `maestro.snoozes/1`."""
    return {
        "schema": SNOOZES_SCHEMA,
        "generated_at": format_utc(generated_at),
        "snoozes": [snooze_to_document(one) for one in snoozes],
    }


def snoozes_from_document(document: JsonReader) -> tuple[Snooze, ...]:
    """Return the snoozes.

    Raises:
        RecordError: the document is malformed.
    """
    return tuple(_snooze_from_document(part) for part in document.children("snoozes"))


def snooze_to_document(one: Snooze) -> Document:
    """Return an element of `snoozes`."""
    return {
        "what": one.what,
        "until": format_utc(one.until),
        "comment": one.comment,
        "by": one.by,
        "at": format_utc(one.at),
        "ended_at": format_utc(one.ended_at) if one.ended_at else None,
    }


def _snooze_from_document(part: JsonReader) -> Snooze:
    return Snooze(
        what=part.text("what"),
        until=part.time("until"),
        comment=part.text("comment"),
        by=part.text("by"),
        at=part.time("at"),
        ended_at=part.optional_time("ended_at"),
    )
