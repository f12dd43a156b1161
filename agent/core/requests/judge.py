"""Whether a request is accepted: everything that can be said before, and after, it is known who it is from. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo

from agent.core.frozen import frozen
from agent.core.requests.book import CLOCK_TOLERANCE, MOST_OPEN, open_entries
from agent.core.requests.model import Malformed, Request, RequestBook, RequestRefusal, RequestWhy, Verb
from agent.core.windows import Window, WindowState, standing


@frozen
class WorkWindow:
    """The maintenance window for one kind of work."""

    window: Window
    needed: timedelta
    """How much of it the work needs."""


@frozen
class RequestRules:
    """What this machine's accepted configuration says about requests."""

    host_id: str
    allow: frozenset[Verb]
    windows: Mapping[Verb, WorkWindow]
    """By verb; one that is not there has no window."""
    local: tzinfo
    signed: bool = False
    """Whether only signed requests run."""


def refusal_before(
    found: Request | Malformed, rules: RequestRules, book: RequestBook, now: datetime
) -> RequestRefusal | None:
    """Return why a request is not accepted, whoever it is from; None: nothing speaks against it so far."""
    if isinstance(found, Malformed):
        return RequestRefusal(why=found.why, detail=found.detail)
    refusals = (_of_permission(found, rules), _of_time(found, book, now), _of_load(book))
    return next((refusal for refusal in refusals if refusal is not None), None)


def _of_permission(request: Request, rules: RequestRules) -> RequestRefusal | None:
    if request.host_id != rules.host_id:
        return RequestRefusal(why=RequestWhy.NOT_FOR_THIS_HOST)
    missing = [verb.value for verb in request.needs if verb not in rules.allow]
    if missing:
        return RequestRefusal(why=RequestWhy.NOT_ALLOWED, detail=f"requests.allow does not have {', '.join(missing)}")
    return None


def _of_time(request: Request, book: RequestBook, now: datetime) -> RequestRefusal | None:
    if book.floor is not None and request.created_at <= book.floor:
        return RequestRefusal(why=RequestWhy.STALE, detail="created before requests that are no longer on record")
    if request.created_at > now + CLOCK_TOLERANCE:
        return RequestRefusal(
            why=RequestWhy.INVALID, detail="created in the future: check the clocks of host and endpoint"
        )
    return RequestRefusal(why=RequestWhy.EXPIRED) if request.expires_at <= now else None


def _of_load(book: RequestBook) -> RequestRefusal | None:
    if len(open_entries(book)) < MOST_OPEN:
        return None
    return RequestRefusal(why=RequestWhy.BUSY_TOO_LONG, detail=f"{MOST_OPEN} requests have not ended yet")


def refusal_of_window(request: Request, rules: RequestRules, now: datetime) -> RequestRefusal | None:
    """Return why a request for a maintenance window is not accepted; None: a window opens before it expires."""
    if not request.in_window:
        return None
    if request.verb not in rules.windows:
        return RequestRefusal(why=RequestWhy.NO_WINDOW, detail=f"no window is configured for {request.verb.value}")
    at = starts_at(request, rules, now)
    if at is None or at >= request.expires_at:
        return RequestRefusal(why=RequestWhy.NO_WINDOW, detail="no window that is long enough opens before it expires")
    return None


def refusal_now(request: Request, signed_by: str, rules: RequestRules) -> RequestRefusal | None:
    """Return why a request that was accepted may not begin: the configuration has changed since. None: it may."""
    if rules.signed and not signed_by:
        return RequestRefusal(why=RequestWhy.UNSIGNED, detail="requests.signers is set since it was accepted")
    if request.in_window and request.verb not in rules.windows:
        return RequestRefusal(why=RequestWhy.NO_WINDOW, detail=f"no window is configured for {request.verb.value}")
    return _of_permission(request, rules)


def starts_at(request: Request, rules: RequestRules, now: datetime) -> datetime | None:
    """Return when an accepted request starts; a time that is not after now means at once, None: in no window."""
    if not request.in_window:
        return now
    work = rules.windows.get(request.verb)
    if work is None:
        return None
    found = standing(work.window, now, needed=work.needed, local=rules.local)
    return None if found.state is WindowState.TOO_SHORT else found.opening.start
