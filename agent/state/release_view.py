"""A read-only view of the release and its support, as in `maestro.state/1`. Light: `status` imports it.

The encoder is `agent.state.documents.release`.
"""

from datetime import date

from agent.core.release_support import SupportPhase
from agent.errors import RecordError
from agent.state.json_reader import JsonReader


class ReleaseView:
    """The release of the distribution, and the phases of its support."""

    def __init__(self, part: JsonReader) -> None:
        self.distribution = part.text("distribution")
        self.version = part.optional_text("version")
        self.codename = part.optional_text("codename")
        self.unknown = part.optional_text("unknown")
        """Why its end is not known; None if it is."""
        self.phases = [_phase(phase) for phase in part.children("phases")]

    @classmethod
    def of(cls, part: JsonReader | None) -> "ReleaseView | None":
        """Return the view of a part; None for null, as in documents of earlier versions."""
        return cls(part) if part is not None else None

    @property
    def name(self) -> str:
        """The release for people: "Ubuntu 24.04 (noble)"."""
        words = [self.distribution.capitalize(), self.version or ""]
        return " ".join(word for word in (*words, f"({self.codename})" if self.codename else "") if word)


def _phase(part: JsonReader) -> SupportPhase:
    text = part.text("until")
    try:
        until = date.fromisoformat(text)
    except ValueError as error:
        raise RecordError(f"until: {text!r} is not a date") from error
    return SupportPhase(part.text("name"), until, covered=part.boolean("covered"))
