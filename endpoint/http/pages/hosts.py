"""`/hosts`, the same as CSV and JSON, and `/v1/hosts`: the fleet filtered, searched and sorted by the address."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from urllib.parse import parse_qsl, urlencode

from flask import Response, request

from endpoint.core.fleet_model import HostRow
from endpoint.core.host_csv import csv_lines
from endpoint.core.host_document import HOSTS_SCHEMA, host_document, hosts_document
from endpoint.core.host_query import HostQuery
from endpoint.core.people import Right
from endpoint.core.timestamps import format_utc
from endpoint.errors import RefusedError
from endpoint.http.exchange import json_answer
from endpoint.http.pages.host_filters import Filters
from endpoint.http.pages.site import PageContext, PageRoute
from endpoint.http.people.gate import StaleFormError
from endpoint.store.enrolments import Enrolments
from endpoint.store.saved_views import SavedViews

_MOST_TICKED = 150
"""Their ids fill an address up to 6,300 characters; servers and proxies take lines of 8 kB."""


class HostsPages:
    """The list in its four forms."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._views = SavedViews(context.database)
        self._enrolments = Enrolments(context.database)

    def routes(self) -> Sequence[PageRoute]:
        """Return the addresses."""
        return (
            PageRoute(path="/hosts", endpoint="hosts", handler=self.page),
            PageRoute(path="/hosts/ticked", endpoint="hosts-ticked", handler=self.ticked, methods=("POST",), typed={}),
            PageRoute(path="/hosts.csv", endpoint="hosts-csv", handler=self.csv),
            PageRoute(path="/hosts.json", endpoint="hosts-json", handler=self.json),
            PageRoute(path="/v1/hosts", endpoint="hosts-document", handler=self.document),
        )

    def page(self) -> Response:
        """Return one page of the list."""
        context, now = self._context, datetime.now(timezone.utc)
        person, query = context.gate.person(), _query()
        page = context.fleet.hosts(query, person.scope, now)
        views = self._views.of(person.name)
        return context.site.render(
            "hosts.html",
            now=now,
            page=page,
            filters=Filters(query, context.fleet.overview(person.scope, now), context.fleet.tags(person.scope, now)),
            views=views,
            view=urlencode(query.pairs()),
            previous=_address(query.at(page.previous)) if page.previous is not None else None,
            next=_address(query.at(page.next)) if page.next is not None else None,
            may_deploy=person.may(Right.DEPLOY),
            waiting=self._enrolments.waiting() if person.may(Right.ADMIN) else 0,
        )

    def ticked(self) -> Response:
        """Go on with a deployment to the ticked hosts: as a selection in an address, which has a limited length."""
        context, now = self._context, datetime.now(timezone.utc)
        person = context.gate.person(Right.DEPLOY)
        with contextlib.suppress(StaleFormError):  # nothing is done here: ticks of an earlier login are as good
            context.gate.check_form()
        hosts = list(dict.fromkeys(request.form.getlist("host")))
        if not hosts:
            raise RefusedError(400, "no host is ticked: go back and tick those that the deployment is for")
        view = HostQuery.parse(parse_qsl(request.form.get("query", "")))
        page = context.fleet.hosts(view, person.scope, now)
        # As many as the view has is not enough: it may have others by now than those that were ticked.
        if len(hosts) == page.total and set(hosts) == {row.host_id for row in page.rows}:
            return _redirect(f"/deploy?{urlencode(view.pairs())}")
        if len(hosts) > _MOST_TICKED:
            raise RefusedError(
                400, f"more than {_MOST_TICKED} hosts are ticked: filter the list and deploy to all of it"
            )
        chosen = HostQuery.of_hosts(hosts)
        return _redirect(f"/deploy?{chosen.to_query()}")

    def document(self) -> Response:
        """Return `maestro.hosts/1`, one page."""
        context, query = self._context, _query()
        page = context.fleet.hosts(query, context.gate.person().scope, datetime.now(timezone.utc))
        return json_answer(hosts_document(page, page.next.encode() if page.next is not None else None))

    def csv(self) -> Response:
        """Return all hosts of the query, for a spreadsheet."""
        return _download(csv_lines(self._each()), "text/csv; charset=utf-8", "hosts.csv")

    def json(self) -> Response:
        """Return all hosts of the query as one `maestro.hosts/1`."""
        return _download(_json_parts(self._each(), datetime.now(timezone.utc)), "application/json", "hosts.json")

    def _each(self) -> Iterator[HostRow]:
        scope = self._context.gate.person().scope
        return self._context.fleet.each_host(_query(), scope, datetime.now(timezone.utc))


def _redirect(address: str) -> Response:
    return Response(status=303, headers={"Location": address})


def _query() -> HostQuery:
    return HostQuery.parse(request.args.items(multi=True))


def _address(query: HostQuery) -> str:
    text = query.to_query()
    return f"/hosts?{text}" if text else "/hosts"


def _download(parts: Iterator[str], kind: str, name: str) -> Response:
    answer = Response((part.encode("utf-8", "replace") for part in parts), content_type=kind)
    answer.headers["Content-Disposition"] = f"attachment; filename={name}"
    return answer


def _json_parts(rows: Iterator[HostRow], now: datetime) -> Iterator[str]:
    """Yield the document host by host: a large fleet is never in memory at once."""
    yield f'{{"schema":{json.dumps(HOSTS_SCHEMA)},"as_of":{json.dumps(format_utc(now))},"hosts":['
    total = 0
    for total, row in enumerate(rows, 1):
        comma = "," if total > 1 else ""
        yield comma + json.dumps(host_document(row), separators=(",", ":"))
    yield f'],"total":{total},"next":null}}\n'
