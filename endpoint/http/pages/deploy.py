"""`/deploy`: the form of an order for a selection of hosts, its preview, and its confirmation."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qsl

from flask import Response, request

from endpoint.core.deploy.order import LIFETIMES, NAMES, DeployOrder, Upgrade
from endpoint.core.deploy.texts import left_out_text, verb_text
from endpoint.core.host_query import HostQuery
from endpoint.core.people import Person, Right
from endpoint.errors import RefusedError
from endpoint.http.deploy_desk import DeployDesk
from endpoint.http.pages.site import PageContext, PageRoute
from endpoint.http.people.gate import FORM_FIELD, StaleFormError

_OWN = NAMES | {FORM_FIELD, "do", "selection", "digest", "id"}
"""Fields that do not select hosts."""
_TYPED = {
    "fixes": "Packages or CVE ids",
    "at_once": "Hosts at once",
    "stop_after": "Stop after so many failures",
    "comment": "Comment",
}
_DEFAULTS = dict(DeployOrder().pairs())
_SHOWN = 1000
"""Hosts in a preview; all of them are in the document of the API."""
Fields = dict[str, str]


class DeployPages:
    """The form, the preview and the confirmation: one address, so that each step can go back."""

    def __init__(self, context: PageContext) -> None:
        self._site = context.site
        self._gate = context.gate
        self._desk = DeployDesk(context.config, context.database, context.fleet)

    def routes(self) -> Sequence[PageRoute]:
        """Return the addresses."""
        return (
            PageRoute(path="/deploy", endpoint="deploy", handler=self.form),
            PageRoute(path="/deploy", endpoint="deploy-order", handler=self.order, methods=("POST",), typed=_TYPED),
        )

    def form(self) -> Response:
        """Return the form for the hosts that the query selects."""
        person = self._gate.person(Right.DEPLOY)
        pairs = list(request.args.items(multi=True))
        query = HostQuery.parse(pairs, ignored=_OWN)
        return self._form(query, _suggested(query, _fields(pairs)), person)

    def order(self) -> Response:
        """Return the form for ticked hosts, the form again, the preview, or the new deployment's address."""
        person = self._gate.person(Right.DEPLOY)
        stale = self._stale()
        pairs = list(request.form.items(multi=True))
        fields, do = _fields(pairs), request.form.get("do", "")
        selection = request.form.get("selection")
        if selection is None:
            query = HostQuery.parse(pairs, ignored=_OWN)
            return self._form(query, _suggested(query, fields), person)
        query = HostQuery.parse(parse_qsl(selection))
        if stale:
            return self._form(query, fields, person, problem=stale, status=403)
        if do not in {"preview", "create"}:
            return self._form(query, fields, person)
        try:
            order = DeployOrder.parse(fields.items())
        except RefusedError as error:
            return self._form(query, fields, person, problem=error.detail)
        return self._confirm(order, query, person) if do == "create" else self._preview(order, query, person)

    def _stale(self) -> str:
        """Return why a form of an earlier login is only shown again; "": it is of this one."""
        try:
            self._gate.check_form()
        except StaleFormError:
            return "This form is older than the present login. Check it, and preview it again."
        return ""

    def _confirm(self, order: DeployOrder, query: HostQuery, person: Person) -> Response:
        """Create what was shown, once; if that is not what would be created by now, show the difference first."""
        now, identity = datetime.now(timezone.utc), request.form.get("id", "")
        created = Response(status=303, headers={"Location": f"/deployments/{identity}"})
        if self._desk.is_created(identity, person):
            return created
        shown = self._desk.preview(order, query, person, now)
        if shown.digest != request.form.get("digest"):
            return self._preview(order, query, person, changed=True)
        self._desk.create(shown, identity, person, now)
        return created

    def _preview(self, order: DeployOrder, query: HostQuery, person: Person, *, changed: bool = False) -> Response:
        found = self._desk.preview(order, query, person, datetime.now(timezone.utc))
        works = [verb_text(work.verb.value, _arguments(work)) for work in order.works]
        return self._site.render(
            "deploy_preview.html",
            status=409 if changed else 200,
            preview=found,
            hosts=found.hosts[:_SHOWN],
            left_out=found.left_out[:_SHOWN],
            fields=order.pairs(),
            works=works,
            steps=dict(zip((work.verb.value for work in order.works), works, strict=True)),
            at_once=order.at_once_of(len(found.hosts)),
            changed=changed,
            identity=str(uuid.uuid4()),
            left_out_text=left_out_text,
        )

    def _form(
        self, query: HostQuery, fields: Fields, person: Person, *, problem: str = "", status: int = 400
    ) -> Response:
        page = self._desk.fleet.hosts(query.at(None), person.scope, datetime.now(timezone.utc))
        return self._site.render(
            "deploy_form.html",
            status=status if problem else 200,
            selection=query.at(None).to_query(),
            total=page.total,
            names=[row.label for row in page.rows[:5]],
            fields={**dict.fromkeys(NAMES, ""), **_DEFAULTS, **fields},
            problem=problem,
            may_reboot=person.may(Right.REBOOT),
            lifetimes=[(text, text) for text in LIFETIMES],
        )


def _fields(pairs: Iterable[tuple[str, str]]) -> Fields:
    found: Fields = {}
    for name, text in pairs:
        if name in NAMES:
            found[name] = f"{found[name]} {text}" if name == "fixes" and name in found else text
    return found


def _suggested(query: HostQuery, fields: Fields) -> Fields:
    """Return the fields for a new form: whoever comes from a fix wants to apply it."""
    fix = query.cve or query.package
    if fix and "upgrade" not in fields and "fixes" not in fields:
        return {"upgrade": Upgrade.FIXES.value, "fixes": fix, **fields}
    if "fixes" in fields:
        return {"upgrade": Upgrade.FIXES.value, **fields}
    return fields


def _arguments(work: Any) -> dict[str, object]:
    return {"fixes": list(work.fixes), "when": work.when, "reboot": work.reboot}
