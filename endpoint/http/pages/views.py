"""`/hosts/views`: saves a view of the list of hosts under a name, and deletes one."""

from collections.abc import Sequence
from datetime import datetime, timezone
from urllib.parse import parse_qsl, urlencode

from flask import Response, request

from endpoint.core.audit import AuditAction
from endpoint.core.host_query import HostQuery
from endpoint.errors import RefusedError
from endpoint.http.pages.site import PageContext, PageRoute
from endpoint.store.saved_views import SavedView, SavedViews

_MAX_NAME = 64


class ViewsPages:
    """The two changes."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._views = SavedViews(context.database)

    def routes(self) -> Sequence[PageRoute]:
        """Return the addresses."""
        return (
            PageRoute(
                path="/hosts/views",
                endpoint="view-save",
                handler=self.save,
                methods=("POST",),
                typed={"name": "Save what is shown as"},
            ),
            PageRoute(path="/hosts/views/delete", endpoint="view-delete", handler=self.delete, methods=("POST",)),
        )

    def save(self) -> Response:
        """Save the view of the form, and return to it."""
        gate = self._context.gate
        person = gate.person()
        gate.check_form()
        view = SavedView(name=_name(), query=_canonical(request.form.get("query", "")))

        def save() -> None:
            self._views.save(person.name, view, datetime.now(timezone.utc))
            gate.note(person, AuditAction.VIEW_SAVED, view.name, view.query)

        gate.together(save)
        return _back(view.query)

    def delete(self) -> Response:
        """Delete the view of the form, and return to the list that was shown."""
        gate = self._context.gate
        person = gate.person()
        gate.check_form()
        name = _name()

        def delete() -> None:
            if self._views.delete(person.name, name):
                gate.note(person, AuditAction.VIEW_DELETED, name)

        gate.together(delete)
        return _back(_canonical(request.form.get("query", "")))


def _name() -> str:
    name = " ".join(request.form.get("name", "").split())
    if not name or len(name) > _MAX_NAME or not name.isprintable():
        raise RefusedError(400, f"name: 1 to {_MAX_NAME} characters")
    return name


def _canonical(query: str) -> str:
    return urlencode(HostQuery.parse(parse_qsl(query)).pairs())


def _back(query: str) -> Response:
    return Response(status=303, headers={"Location": f"/hosts?{query}" if query else "/hosts"})
