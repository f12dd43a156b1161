"""`/audit`: who did what, and what came of it."""

from collections.abc import Sequence
from urllib.parse import urlencode

from flask import Response, request

from endpoint.core.audit import AuditAction
from endpoint.core.host_id import parse_host_id
from endpoint.core.host_page.reasons import request_why_text
from endpoint.errors import RefusedError
from endpoint.http.pages.site import PageContext, PageRoute
from endpoint.store.audit_pages import AuditCursor, AuditFilter, AuditPages, AuditView
from endpoint.store.host_names import HostNames

_NAMES = frozenset({"person", "action", "host", "deployment", "after"})
_MAX_TEXT = 256
ACTIONS = (*(action.value for action in AuditAction), "deployment-stopped")


class AuditPage:
    """The page."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._entries = AuditPages(context.database)
        self._names = HostNames(context.database)

    def routes(self) -> Sequence[PageRoute]:
        """Return the address."""
        return (PageRoute(path="/audit", endpoint="audit", handler=self.audit),)

    def audit(self) -> Response:
        """Return the page."""
        person = self._context.gate.person()
        values = _parameters()
        chosen = AuditFilter(
            person=values.get("person"),
            action=values.get("action"),
            host_id=_identity(values, "host"),
            deployment=_identity(values, "deployment"),
        )
        view = self._entries.page(person, chosen, _cursor(values))
        return self._context.site.render(
            "audit.html",
            view=view,
            chosen=values,
            actions=[(action, action.replace("-", " ")) for action in ACTIONS],
            names=self._names.visible(_hosts(view), person.scope),
            why_text=request_why_text,
            first_page=_address(values, None),
            next_page=_address(values, view.next) if view.next is not None else None,
        )


def _parameters() -> dict[str, str]:
    values = {name: text.strip() for name, text in request.args.items() if text.strip()}
    for name, text in values.items():
        if name not in _NAMES:
            raise RefusedError(400, f"{name[:64]!a} is no parameter of the audit")
        if len(text) > _MAX_TEXT or "\0" in text:
            raise RefusedError(400, f"{name}: longer than {_MAX_TEXT} characters, or with a NUL")
    return values


def _identity(values: dict[str, str], name: str) -> str | None:
    if name not in values:
        return None
    found = parse_host_id(values[name])
    if found is None:
        raise RefusedError(400, f"{name}: must be a UUID")
    return found


def _cursor(values: dict[str, str]) -> AuditCursor | None:
    if "after" not in values:
        return None
    found = AuditCursor.parse(values["after"])
    if found is None:
        raise RefusedError(400, "after: is not from a link of this page")
    return found


def _hosts(view: AuditView) -> set[str]:
    of_lines = {line.host_id for line in view.lines if line.host_id is not None}
    return of_lines | {one.host_id for line in view.lines for one in line.requests}


def _address(values: dict[str, str], after: AuditCursor | None) -> str:
    """Return the page behind an entry; None: the first one."""
    chosen = {name: text for name, text in values.items() if name != "after"}
    if after is not None:
        chosen["after"] = str(after)
    return f"/audit?{urlencode(chosen)}" if chosen else "/audit"
