"""Read-only view of `maestro.snoozes/1` for `status` and reports. Light, as `agent.state.views`.

The encoder is `agent.state.documents.snoozes`.
"""

from datetime import datetime

from agent.core.schemas import Document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc


class SnoozeView:
    """An element of `snoozes`."""

    def __init__(self, part: JsonReader) -> None:
        self.what = part.text("what")
        self.until = part.time("until")
        self.comment = part.text("comment")
        self.by = part.text("by")
        self.at = part.time("at")
        self.ended_at = part.optional_time("ended_at")

    def in_force(self, now: datetime) -> bool:
        """Whether it is not over; as `agent.core.packages.snoozes.in_force`."""
        return self.ended_at is None and now < self.until

    @property
    def document(self) -> Document:
        """Return an element of the `snoozes` of the status, without those that are over."""
        return {
            "what": self.what,
            "until": format_utc(self.until),
            "comment": self.comment,
            "by": self.by,
            "at": format_utc(self.at),
        }


def snooze_views(document: JsonReader) -> list[SnoozeView]:
    """Return all snoozes on record."""
    return [SnoozeView(part) for part in document.children("snoozes")]
