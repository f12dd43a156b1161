"""Requests of the endpoint in `status`: those that have not ended, and the last one. Pure and light."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from agent.core.schemas import Document
from agent.report.layout import Line, field
from agent.report.requests_text import reason_text, waiting_text, what_text
from agent.report.status.observed import Damaged
from agent.report.status.section import Section
from agent.state.requests_view import RequestView
from agent.state.timestamps import format_human

_RECENT = timedelta(days=7)
"""How long the last request is shown, once it has ended."""
_MOST = 3
"""Requests with a line of their own."""


class Requests(Section):
    """What the record has of requests, the newest first."""

    def __init__(self, found: Sequence[RequestView] | Damaged | None, now: datetime) -> None:
        self._now = now
        problem = found.reason if isinstance(found, Damaged) else ""
        self._found = () if isinstance(found, Damaged) or found is None else found
        self._known = not problem and found is not None
        self._problem = problem

    @property
    def reasons(self) -> list[str]:
        """Return that the record is damaged; it stays until the next request arrives."""
        problem = self._problem
        return [f"requests of the endpoint are refused until it is set aside: {problem}"] if problem else []

    @property
    def document(self) -> Document | None:
        """Return the `requests` of the status; null: there never was one, or the record is damaged."""
        if not self._known:
            return None
        last = next((one for one in self._found if one.ended), None)
        return {
            "open": [one.document for one in self._found if not one.ended],
            "last": last.document if last else None,
        }

    def lines(self, width: int) -> Iterator[Line]:
        """Render the requests that have not ended, or else the last one."""
        recent = [one for one in self._found[:1] if self._now - one.last.at < _RECENT]
        shown = [one for one in self._found if not one.ended] or recent
        for number, one in enumerate(shown[:_MOST]):
            by = f" by {one.requested_by}" if one.requested_by else ""
            reason = waiting_text(one) or reason_text(one.last)
            text = (
                f"{what_text(one)}{by}: {one.last.state} {format_human(one.last.at)}{f', {reason}' if reason else ''}"
            )
            yield field("" if number else "Requests", text, width=width)
        if len(shown) > _MOST:
            yield field("", f"and {len(shown) - _MOST} more: `maestro-agent requests`", width=width)
