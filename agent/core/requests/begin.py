"""Which accepted request begins next, and when something is to be done about one. Pure."""

from collections.abc import Callable
from datetime import datetime

from agent.core.requests.book import open_entries, with_expired, with_running, with_step
from agent.core.requests.judge import RequestRules, refusal_now, starts_at
from agent.core.requests.model import (
    Ending,
    Request,
    RequestBook,
    RequestEntry,
    RequestRefusal,
    RequestState,
    RequestWhy,
)
from agent.core.requests.wire import read_request
from agent.errors import HostError

Recheck = Callable[[Request, datetime], RequestRefusal | HostError | None]
"""Takes a request and when it was accepted; returns why it would not be accepted any more, or why there is no verdict
now. None: it would be accepted."""


def with_next_running(
    book: RequestBook, rules: RequestRules, now: datetime, recheck: Recheck = lambda _request, _at: None
) -> tuple[RequestBook, Request | None]:
    """Return the record in which the next due request runs, and that request; None: none is due.

    What the configuration no longer allows is refused, and what is too late expires. `recheck` gets what is due; one
    without a verdict stays accepted, and holds up none behind it.
    """
    book = with_expired(book, now)
    for entry in _accepted(book):
        request = _request(entry)
        refusal = _refusal(entry, request, rules)
        due = request if request is not None and refusal is None and _is_due(request, rules, now) else None
        verdict = recheck(due, entry.last.at) if due is not None else refusal
        if isinstance(verdict, RequestRefusal):
            ending = Ending(state=RequestState.REFUSED, why=verdict.why, detail=verdict.detail)
            book = with_step(book, entry, ending, now)
        elif due is not None and verdict is None:
            return with_running(book, entry, now), due
    return book, None


def next_at(book: RequestBook, rules: RequestRules, now: datetime) -> datetime | None:
    """Return when a job has something to do about requests; a time that is not after now means at once, None: never."""
    return min((_entry_at(entry, rules, now) for entry in open_entries(book)), default=None)


def _entry_at(entry: RequestEntry, rules: RequestRules, now: datetime) -> datetime:
    request = _request(entry)
    if entry.state is not RequestState.ACCEPTED or request is None or _refusal(entry, request, rules) is not None:
        return now
    start = starts_at(request, rules, now)
    return request.expires_at if start is None else min(start, request.expires_at)


def _accepted(book: RequestBook) -> tuple[RequestEntry, ...]:
    return tuple(entry for entry in open_entries(book) if entry.state is RequestState.ACCEPTED)


def _request(entry: RequestEntry) -> Request | None:
    found = read_request(entry.document) if entry.document is not None else None
    return found if isinstance(found, Request) else None


def _refusal(entry: RequestEntry, request: Request | None, rules: RequestRules) -> RequestRefusal | None:
    if request is None:
        return RequestRefusal(why=RequestWhy.INVALID, detail="its content is no longer readable")
    return refusal_now(request, entry.signed_by, rules)


def _is_due(request: Request, rules: RequestRules, now: datetime) -> bool:
    start = starts_at(request, rules, now)
    return start is not None and start <= now
