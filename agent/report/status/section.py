"""A part of the status that most servers do not have. Its module is imported where the record has it. Pure, light."""

from collections.abc import Iterable

from agent.core.schemas import Document
from agent.report.layout import Line


class Section:
    """A part of which nothing is on record."""

    @property
    def document(self) -> Document | None:
        """Return the part of the status; None if nothing is on record."""
        return None

    @property
    def reasons(self) -> list[str]:
        """Return why a person should look at it."""
        return []

    def lines(self, _width: int) -> Iterable[Line]:
        """Render it."""
        return ()
