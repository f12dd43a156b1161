"""`/fixes` and `/fixes/<cve>`, and the same under /v1: which hosts lack a fix, and what is known of the CVE."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from urllib.parse import quote, urlencode

from flask import Response, request

from endpoint.core.advisories.documents import fix_document, fixes_document
from endpoint.core.advisories.model import CVE
from endpoint.core.fix_query import FixQuery, FixSort
from endpoint.core.fleet_model import FixDetail
from endpoint.core.host_query import HostQuery
from endpoint.core.people import Right, Scope
from endpoint.errors import RefusedError
from endpoint.http.exchange import json_answer
from endpoint.http.pages.advice import advice_for
from endpoint.http.pages.site import PageContext, PageRoute
from endpoint.store.advisories import Advisories

_NONE = "no host that you see has, or had, an update that fixes it"
_NOTICES = ("USN-", "LSN-", "DSA-", "DLA-")


class FixesPages:
    """The list and the page of one fix, each in two forms."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._advisories = Advisories(context.database)

    def routes(self) -> Sequence[PageRoute]:
        """Return the addresses."""
        return (
            PageRoute(path="/fixes", endpoint="fixes", handler=self.page),
            PageRoute(path="/fixes/<cve>", endpoint="fix", handler=self.fix_page),
            PageRoute(path="/v1/fixes", endpoint="fixes-document", handler=self.document),
            PageRoute(path="/v1/fixes/<cve>", endpoint="fix-document", handler=self.fix_document),
        )

    def page(self) -> Response:
        """Return a page of the list."""
        context, now = self._context, datetime.now(timezone.utc)
        person = context.gate.person()
        query = self._query()
        page = context.fleet.fixes(query, person.scope, now)
        return context.site.render(
            "fixes.html",
            now=now,
            page=page,
            query=query,
            exploited=context.fleet.exploited(person.scope, now),
            sources=self._advisories.sources(),
            advice=advice_for(self._advisories, [row.cve for row in page.rows], with_texts=True),
            sorts=[(sort.value, self._sorted(query, sort)) for sort in FixSort],
            first=_address(replace(query, offset=0)),
            previous=_address(replace(query, offset=max(0, query.offset - query.limit))) if query.offset else None,
            next=_address(replace(query, offset=query.offset + query.limit))
            if query.offset + len(page.rows) < page.total
            else None,
        )

    def fix_page(self, cve: str) -> Response:
        """Return the page of a fix."""
        context, now = self._context, datetime.now(timezone.utc)
        person = context.gate.person()
        query = _host_query()
        detail = self._detail(cve, query, person.scope, now)
        return context.site.render(
            "fix.html",
            now=now,
            detail=detail,
            advice=advice_for(self._advisories, [detail.cve], with_texts=True),
            may_deploy=person.may(Right.DEPLOY),
            deploy=_deploy_address(detail.cve),
            previous=_page_of(detail.cve, query.at(detail.previous)) if detail.previous is not None else None,
            next=_page_of(detail.cve, query.at(detail.next)) if detail.next is not None else None,
        )

    def document(self) -> Response:
        """Return `maestro.fixes/1`, one page."""
        now = datetime.now(timezone.utc)
        scope = self._context.gate.person().scope
        page = self._context.fleet.fixes(self._query(), scope, now)
        return json_answer(fixes_document(page, self._advisories.kev(row.cve for row in page.rows)))

    def fix_document(self, cve: str) -> Response:
        """Return `maestro.fix/1`, with one page of hosts."""
        now = datetime.now(timezone.utc)
        scope = self._context.gate.person().scope
        detail = self._detail(cve, _host_query(), scope, now)
        kev, notices = self._advisories.of_cve(detail.cve)
        return json_answer(fix_document(detail, kev, notices, now))

    def _query(self) -> FixQuery:
        """Return the query of the address; a notice's id stands for its CVEs."""
        query = FixQuery.parse(request.args.items())
        text = (query.text or "").upper()
        return replace(query, cves=self._advisories.cves_of_notice(text)) if text.startswith(_NOTICES) else query

    def _detail(self, cve: str, query: HostQuery, scope: Scope, now: datetime) -> FixDetail:
        """Return the fix.

        Raises:
            RefusedError: 404, no host of the scope has or had it.
        """
        name = cve.upper()
        found = self._context.fleet.fix(name, scope, now, query) if CVE.fullmatch(name) else None
        if found is None:
            raise RefusedError(404, _NONE)
        return found

    @staticmethod
    def _sorted(query: FixQuery, sort: FixSort) -> tuple[str, str | None]:
        """Return the address of the list in this order, or in the other direction, and the present direction."""
        present = query.sort is sort
        descending = not query.descending if present else sort is not FixSort.CVE
        order = ("descending" if query.descending else "ascending") if present else None
        return _address(replace(query, sort=sort, descending=descending, offset=0)), order


def _address(query: FixQuery) -> str:
    text = query.to_query()
    return f"/fixes?{text}" if text else "/fixes"


def _host_query() -> HostQuery:
    return HostQuery.parse(request.args.items(multi=True))


def _page_of(cve: str, query: HostQuery) -> str:
    text = query.to_query()
    return f"/fixes/{quote(cve)}?{text}" if text else f"/fixes/{quote(cve)}"


def _deploy_address(cve: str) -> str:
    """Return the form of a deployment of this fix to the hosts that lack it."""
    return f"/deploy?{urlencode({'cve': cve})}"
