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
    not_before: datetime | None = None
    """The end of a hold-off; None: there is none."""


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
    if refusal := _of_configured_windows(request, rules):
        return refusal
    at = starts_at(request, rules, now)
    if at is None or at >= request.expires_at:
        both = " for all of its work" if len(request.needs) > 1 else ""
        detail = f"no window that is long enough opens{both} before it expires"
        return RequestRefusal(why=RequestWhy.NO_WINDOW, detail=detail)
    return None


def _of_configured_windows(request: Request, rules: RequestRules) -> RequestRefusal | None:
    missing = [verb.value for verb in request.needs if verb not in rules.windows]
    if not request.in_window or not missing:
        return None
    return RequestRefusal(why=RequestWhy.NO_WINDOW, detail=f"no window is configured for {', '.join(missing)}")


def refusal_now(request: Request, signed_by: str, rules: RequestRules) -> RequestRefusal | None:
    """Return why a request that was accepted may not begin: the configuration has changed since. None: it may."""
    if rules.signed and not signed_by:
        return RequestRefusal(why=RequestWhy.UNSIGNED, detail="requests.signers is set since it was accepted")
    return _of_configured_windows(request, rules) or _of_permission(request, rules)


def starts_at(request: Request, rules: RequestRules, now: datetime) -> datetime | None:
    """Return when an accepted request starts: at a time at which the windows of all that it needs are open.

    A time that is not after now means at once; one that is not before its expiry, or None: it never does.
    """
    if not request.in_window:
        return now
    works = [rules.windows.get(verb) for verb in request.needs]
    at, earlier = now, None
    while at != earlier and at < request.expires_at:
        earlier = at
        for work in works:
            opens = _opens_at(work, at, rules.local) if work is not None else None
            if opens is None:
                return None
            at = opens
    return at


def _opens_at(work: WorkWindow, now: datetime, local: tzinfo) -> datetime | None:
    """Return when the work may start, now or later; None: no opening is as long as it."""
    at = max(now, work.not_before or now)
    found = standing(work.window, at, needed=work.needed, local=local)
    return None if found.state is WindowState.TOO_SHORT else max(found.opening.start, at)
