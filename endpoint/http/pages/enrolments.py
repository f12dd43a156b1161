"""`/enrolments`: hosts that ask for a token and wait for a person, who approves or refuses them."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime, timezone

from flask import Response, request

from endpoint.core.enrolment import LIMITS, EnrolmentStatus, EnrolmentWhy
from endpoint.core.people import Right
from endpoint.errors import RefusedError, SpentKeyError
from endpoint.http.pages.site import PageContext, PageRoute
from endpoint.http.people.gate import StaleFormError, address
from endpoint.store.enrolments import Enrolments

_MOST_SHOWN = 200
_DO = {"approve": True, "refuse": False}
WHY = {
    EnrolmentWhy.APPROVAL_REQUIRED: "Its key asks for the approval of each host.",
    EnrolmentWhy.KNOWN_HOST: (
        "A host with this id has reported, or has or had a token. "
        "It was installed again, or another machine claims its id."
    ),
    EnrolmentWhy.TOKEN_IN_USE: (
        "This host got a token that was used or revoked since. It lost its token, or it is one of two copies of a disk."
    ),
}
"""Why it waits, for a person who has to decide."""


class EnrolmentsPage:
    """The page, and its form. It is of the whole fleet: a host that waits has no tag yet."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._enrolments = Enrolments(context.database)

    def routes(self) -> Sequence[PageRoute]:
        """Return the addresses."""
        return (
            PageRoute(path="/enrolments", endpoint="enrolments", handler=self.page),
            PageRoute(
                path="/enrolments", endpoint="enrolments-decide", handler=self.decide, methods=("POST",), typed={}
            ),
        )

    def page(self) -> Response:
        """Return the page."""
        self._context.gate.person(Right.ADMIN)
        return self._page()

    def _page(self, status: int = 200, ticked: Collection[str] | None = None) -> Response:
        """Return the page; `ticked`: again, with what was ticked in an earlier login."""
        return self._context.site.render(
            "enrolments.html",
            status,
            stale=ticked is not None,
            ticked=frozenset(ticked or ()),
            waiting=self._enrolments.all(EnrolmentStatus.WAITING, limit=_MOST_SHOWN),
            total=self._enrolments.waiting(),
            approved=self._enrolments.all(EnrolmentStatus.APPROVED, limit=_MOST_SHOWN),
            refused=self._enrolments.all(EnrolmentStatus.REFUSED, limit=_MOST_SHOWN),
            why=WHY,
            limits={limit: text.capitalize() for limit, text in LIMITS.items()},
        )

    def decide(self) -> Response:
        """Approve or refuse the ticked hosts."""
        gate, now = self._context.gate, datetime.now(timezone.utc)
        person = gate.person(Right.ADMIN)
        try:
            gate.check_form()
        except StaleFormError:
            return self._page(403, request.form.getlist("id"))
        approve = _DO.get(request.form.get("do", ""))
        ids = list(dict.fromkeys(request.form.getlist("id")))
        if approve is None or not ids or len(ids) > _MOST_SHOWN or any("\0" in one for one in ids):
            raise RefusedError(400, f"tick 1 to {_MOST_SHOWN} hosts, and approve or refuse them")
        for identity in ids:
            # One that was decided meanwhile, here or by the command, stays as it is; so does one whose key gives no
            # more tokens, which the page says of it.
            with suppress(SpentKeyError):
                self._enrolments.decide(
                    identity, approve=approve, person=person.name, now=now, address=address() or None
                )
        return Response(status=303, headers={"Location": "/enrolments"})
