"""`/hosts/<host_id>` and `/v1/hosts/<host_id>`: all that is known of one host; its tags and notes are edited there."""

from collections.abc import Callable, Sequence
from datetime import datetime, timezone

from flask import Response, request

from endpoint.core.audit import AuditAction
from endpoint.core.charts import Curve, curve
from endpoint.core.fleet_model import CurveDay, HostDetail
from endpoint.core.host_fixes import FixStage
from endpoint.core.host_id import parse_host_id
from endpoint.core.host_page.document import host_detail_document
from endpoint.core.host_page.reasons import request_why_text
from endpoint.core.host_page.runs import StoredEvent, event_views, run_views
from endpoint.core.host_page.view import HostView, host_view
from endpoint.core.host_states import HostState
from endpoint.core.people import Person, Right, is_tag
from endpoint.errors import RefusedError, UsageError
from endpoint.http.exchange import json_answer
from endpoint.http.pages.advice import advice_for
from endpoint.http.pages.site import PageContext, PageRoute
from endpoint.http.people.gate import address
from endpoint.store.advisories import Advisories
from endpoint.store.deployments import Actor
from endpoint.store.host_requests import HostRequests
from endpoint.store.notes import HostNotes
from endpoint.store.tags import HostTags

_NONE = "there is no such host"
_DAY_S = 86400.0
_MOST_RUNS = 50
_LEAST_AGE_D = 0.5
"""A curve of fixes younger than this is flat."""
_POST = ("POST",)
_MOST_TAGS = 64


class HostPages:
    """The page, its forms, and the document."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._advisories = Advisories(context.database)
        self._requests = HostRequests(context.database)
        self._notes = HostNotes(context.database)
        self._tags = HostTags(context.database)

    def routes(self) -> Sequence[PageRoute]:
        """Return the addresses."""
        return (
            PageRoute(path="/hosts/<host_id>", endpoint="host", handler=self.page),
            PageRoute(path="/v1/hosts/<host_id>", endpoint="host-document", handler=self.document),
            PageRoute(
                path="/hosts/<host_id>/tags",
                endpoint="host-tags",
                handler=self.change_tags,
                methods=_POST,
                typed={"tags": "Tags, separated by spaces"},
            ),
            PageRoute(
                path="/hosts/<host_id>/notes",
                endpoint="host-notes",
                handler=self.add_note,
                methods=_POST,
                typed={"text": "A new note"},
            ),
            PageRoute(
                path="/hosts/<host_id>/notes/<int:note>/delete",
                endpoint="host-note-delete",
                handler=self.delete_note,
                methods=_POST,
            ),
        )

    def page(self, host_id: str) -> Response:
        """Return the page."""
        context, now = self._context, datetime.now(timezone.utc)
        person = context.gate.person()
        detail = self._detail(host_id, person, now)
        view = host_view(detail.state or {}, has_ended=HostState.ENDED in detail.row.states)
        events = _stored(detail)
        days = context.fleet.host_exposure_curve(detail.row.host_id, person.scope, now) or ()
        return context.site.render(
            "host.html",
            now=now,
            detail=detail,
            row=detail.row,
            view=view,
            advice=advice_for(self._advisories, _cves(detail, view), view.packages.versions),
            since=_since(detail),
            runs=run_views(events)[:_MOST_RUNS],
            events=event_views(events),
            requests=self._requests.of(detail.row.host_id),
            notes=self._notes.of(detail.row.host_id),
            chart=_chart(days) if any((_age_days(one) or 0.0) >= _LEAST_AGE_D for one in days) else None,
            why_text=request_why_text,
            may_deploy=person.may(Right.DEPLOY),
            may_tag=person.may(Right.ADMIN),
        )

    def document(self, host_id: str) -> Response:
        """Return `maestro.host/1`."""
        now = datetime.now(timezone.utc)
        detail = self._detail(host_id, self._context.gate.person(), now)
        return json_answer(host_detail_document(detail, run_views(_stored(detail)), now))

    def change_tags(self, host_id: str) -> Response:
        """Replace the tags that were set here; those of the host's own configuration stay."""
        gate, now = self._context.gate, datetime.now(timezone.utc)
        person = gate.person(Right.ADMIN)
        gate.check_form()
        row = self._detail(host_id, person, now).row
        wanted = set(request.form.get("tags", "").replace(",", " ").split())
        bad = sorted(tag for tag in wanted if not is_tag(tag))
        if bad or len(wanted) > _MOST_TAGS:
            raise RefusedError(
                400,
                f"{bad[0][:64]!a} is no tag: letters, digits, dots, _ and -, at most 64"
                if bad
                else f"more than {_MOST_TAGS} tags",
            )
        add, remove = sorted(wanted - set(row.tags)), sorted(set(row.tags) - wanted)
        by = Actor(name=person.name, at=now, address=address() or None)
        self._tags.change(row.host_id, add=add, remove=remove, label=row.label, by=by)
        return _back(row.host_id)

    def add_note(self, host_id: str) -> Response:
        """Add a note."""

        def add(host: str, person: Person) -> str:
            text = request.form.get("text", "").replace("\r\n", "\n").strip()
            self._notes.add(host, person.name, text, datetime.now(timezone.utc))
            return f"added: {' '.join(text.split())}"

        return self._change_notes(host_id, add)

    def delete_note(self, host_id: str, note: int) -> Response:
        """Delete a note."""
        return self._change_notes(
            host_id, lambda host, _person: f"deleted: {' '.join(self._notes.delete(host, note).split())}"
        )

    def _change_notes(self, host_id: str, change: Callable[[str, Person], str]) -> Response:
        gate, now = self._context.gate, datetime.now(timezone.utc)
        person = gate.person(Right.DEPLOY)
        gate.check_form()
        row = self._detail(host_id, person, now).row

        def change_and_note() -> None:
            done = change(row.host_id, person)
            gate.note(person, AuditAction.NOTE_CHANGED, row.label, done, host_id=row.host_id)

        try:
            gate.together(change_and_note)
        except UsageError as error:
            raise RefusedError(400, str(error)) from error
        return _back(row.host_id)

    def _detail(self, host_id: str, person: Person, now: datetime) -> HostDetail:
        """Return the host.

        Raises:
            RefusedError: 404, it is unknown or not in the person's scope.
        """
        known = parse_host_id(host_id)
        found = self._context.fleet.host(known, person.scope, now) if known is not None else None
        if found is None:
            raise RefusedError(404, _NONE)
        return found


def _stored(detail: HostDetail) -> list[StoredEvent]:
    return [StoredEvent(type=one.type, received_s=one.received_s, body=one.body) for one in detail.events]


def _back(host_id: str) -> Response:
    return Response(status=303, headers={"Location": f"/hosts/{host_id}"})


def _cves(detail: HostDetail, view: HostView) -> frozenset[str]:
    return view.packages.cves | {fix.cve for fix in detail.fixes if fix.stage is not FixStage.ACTIVE}


def _since(detail: HostDetail) -> dict[tuple[str, str], float]:
    """Return since when each update is pending or held, in Unix seconds."""
    return {(line.package, line.architecture): line.since_s for line in detail.packages}


def _chart(days: Sequence[CurveDay]) -> Curve:
    return curve([(one.day, _age_days(one)) for one in days], decimals=1)


def _age_days(one: CurveDay) -> float | None:
    if one.exposed is None:
        return None
    return 0.0 if one.oldest_age_s is None else one.oldest_age_s / _DAY_S
