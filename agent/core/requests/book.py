"""How the record of requests changes with each step of their lives. Pure; every function returns a new `RequestBook`.

An id is on record before anything is done for it, and what has ended never runs again. Of what is removed, the greatest
`created_at` stays as the floor: a request that is not younger may be one of those and is refused, whatever the clock of
this machine says meanwhile.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta

from agent.core.frozen import replace
from agent.core.redact import one_line
from agent.core.requests.model import (
    Authentic,
    Ending,
    LifeStep,
    Malformed,
    Request,
    RequestBook,
    RequestEntry,
    RequestRefusal,
    RequestState,
    RequestWhy,
)
from agent.core.requests.wire import UNKNOWN

KEPT = 500
"""Entries on record."""
MOST_OPEN = 50
"""Entries that have not ended; more are refused."""
_SPARED = 50
"""The newest events are not removed with their entry: no exporter may have read them yet."""
REPEAT_AFTER = timedelta(minutes=10)
"""How long the events have to reach an endpoint before a request that it sends again has its last one sent again."""
_FORGOTTEN = "it is not on record, and may be one of the requests that no longer are: those may have been carried out"
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far the endpoint's clock may be ahead of this machine's."""


def new_book(book_id: str, *, lost_at: datetime | None = None) -> RequestBook:
    """Return an empty record; `lost_at` is when one was found damaged: what that one had must not run again."""
    return RequestBook(id=book_id, floor=lost_at + CLOCK_TOLERANCE if lost_at else None)


def open_entries(book: RequestBook) -> tuple[RequestEntry, ...]:
    """Return the entries that have not ended, the oldest first."""
    return tuple(entry for entry in book.entries if not entry.ended)


def with_refused(book: RequestBook, found: Request | Malformed, refusal: RequestRefusal, now: datetime) -> RequestBook:
    """Record a request that is not accepted."""
    ending = Ending(state=RequestState.REFUSED, why=refusal.why, detail=refusal.detail)
    return _appended(book, _entry(found, now), (Ending(state=RequestState.RECEIVED), ending), now)


def with_accepted(book: RequestBook, request: Request, authentic: Authentic, now: datetime) -> RequestBook:
    """Record a request that will run."""
    document = {**request.document, "signature": request.signature}
    entry = replace(_entry(request, now), signed_by=one_line(authentic.signed_by), document=document)
    steps = (Ending(state=RequestState.RECEIVED), Ending(state=RequestState.ACCEPTED))
    return _appended(book, entry, steps, now)


def with_known(book: RequestBook, entry: RequestEntry, digest: str, now: datetime) -> RequestBook:
    """Record that a known id arrived again: its last step is sent again, or other content is refused.

    Nothing runs in either case.
    """
    if digest != entry.digest and entry.digest:
        if entry.conflict is not None:
            return book
        detail = "another request with this id is on record; that one is unchanged"
        ending = Ending(state=RequestState.REFUSED, why=RequestWhy.DUPLICATE_ID, detail=detail)
        return _replaced(book, replace(entry, conflict=_step(book, ending, now)), events=1)
    last = max(entry.last.at, entry.repeated_at or entry.last.at)
    if timedelta(0) <= now - last < REPEAT_AFTER:
        return book
    repeated = replace(entry.last, sequence=book.sequence + 1)
    return _replaced(book, replace(entry, steps=(*entry.steps[:-1], repeated), repeated_at=now), events=1)


def with_cancelled(book: RequestBook, ids: Iterable[str], now: datetime) -> RequestBook:
    """Cancel requests that have not begun. Of an unknown id the entry stays: its request may arrive later.

    Where entries were removed or lost, it may be one of them, and says so.
    """
    ending = Ending(state=RequestState.CANCELLED)
    forgotten = _FORGOTTEN if book.floor is not None else ""
    for request_id in ids:
        entry = book.find(request_id)
        if entry is None:
            book = _appended(
                book, RequestEntry(id=request_id, verb=UNKNOWN, steps=()), (replace(ending, detail=forgotten),), now
            )
        elif entry.state is RequestState.ACCEPTED:
            book = with_step(book, entry, ending, now)
        elif entry.ended:
            book = with_known(book, entry, entry.digest, now)
    return book


def with_expired(book: RequestBook, now: datetime) -> RequestBook:
    """End the accepted requests whose time is over."""
    for entry in open_entries(book):
        if entry.state is RequestState.ACCEPTED and entry.expires_at is not None and entry.expires_at <= now:
            book = with_step(book, entry, Ending(state=RequestState.EXPIRED), now)
    return book


def with_running(book: RequestBook, entry: RequestEntry, now: datetime) -> RequestBook:
    """Record that the work for a request begins: written before the work, which therefore happens once at most."""
    return with_step(book, entry, Ending(state=RequestState.RUNNING), now)


def with_ending(book: RequestBook, request_id: str, ending: Ending, now: datetime) -> RequestBook:
    """Record how a running request ended; nothing changes if it has ended already."""
    entry = book.find(request_id)
    if entry is None or entry.state is not RequestState.RUNNING:
        return book
    return with_step(book, entry, ending, now)


def with_settled(book: RequestBook, found: Callable[[RequestEntry], Ending | None], now: datetime) -> RequestBook:
    """End the running requests whose work is over; `found` returns how, or None for work that goes on after a boot.

    No job may be running.
    """
    for entry in open_entries(book):
        if entry.state is RequestState.RUNNING:
            ending = found(entry)
            book = with_step(book, entry, ending, now) if ending is not None else book
    return book


def with_step(book: RequestBook, entry: RequestEntry, ending: Ending, now: datetime) -> RequestBook:
    """Add one step to an entry; one that has ended keeps no content."""
    steps = (*entry.steps, _step(book, ending, now))
    changed = replace(entry, steps=steps, repeated_at=None)
    return _replaced(book, replace(changed, document=None if changed.ended else changed.document), events=1)


def _appended(book: RequestBook, entry: RequestEntry, endings: Collection[Ending], now: datetime) -> RequestBook:
    steps = tuple(_step(book, ending, now, behind=number) for number, ending in enumerate(endings))
    whole = replace(entry, steps=steps)
    return _purged(replace(book, entries=(*book.entries, whole), sequence=book.sequence + len(steps)))


def _step(book: RequestBook, ending: Ending, now: datetime, *, behind: int = 0) -> LifeStep:
    return LifeStep(
        state=ending.state,
        at=now,
        sequence=book.sequence + 1 + behind,
        why=ending.why,
        detail=one_line(ending.detail),
        run=ending.run,
    )


def _replaced(book: RequestBook, entry: RequestEntry, *, events: int) -> RequestBook:
    entries = tuple(entry if one.id == entry.id else one for one in book.entries)
    return replace(book, entries=entries, sequence=book.sequence + events)


def _entry(found: Request | Malformed, now: datetime) -> RequestEntry:
    """Return an entry without steps; a time ahead of the clock does not lift the floor above the clock."""
    if isinstance(found, Malformed):
        return RequestEntry(id=found.id, verb=found.verb, digest=found.digest, steps=())
    return RequestEntry(
        id=found.id,
        verb=found.verb.value,
        digest=found.digest,
        created_at=min(found.created_at, now + CLOCK_TOLERANCE),
        expires_at=found.expires_at,
        requested_by=one_line(found.requested_by),
        steps=(),
    )


def _purged(book: RequestBook) -> RequestBook:
    """Remove what is too much: of what has ended, the requests that were created first."""
    excess = len(book.entries) - KEPT
    if excess <= 0:
        return book
    spared = book.sequence - _SPARED
    old = [entry for entry in book.entries if entry.ended and entry.last.sequence <= spared]
    # An id that was cancelled before its request arrived has no date.
    old.sort(key=lambda entry: (entry.created_at is not None, entry.created_at or entry.last.at, entry.last.sequence))
    removed = {entry.id for entry in old[:excess]}
    dates = [entry.created_at for entry in old[:excess] if entry.created_at is not None]
    floor = max([*dates, *([book.floor] if book.floor else [])], default=None)
    return replace(book, entries=tuple(entry for entry in book.entries if entry.id not in removed), floor=floor)
