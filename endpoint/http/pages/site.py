"""The frame of all pages: templates, navigation, security headers, errors.

A page module is a class that takes a `PageContext` and has `routes()`; registry.py lists them. Its handlers return
`site.render(...)`, or any other response: the headers are added to each.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

from flask import Flask, Response, request
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from endpoint.config.model import Config
from endpoint.core.people import Scope
from endpoint.errors import EndpointError
from endpoint.http.pages.filters import FILTERS, finalize
from endpoint.http.pages.host_looks import result_look
from endpoint.http.pages.looks import host_look
from endpoint.http.pages.static_files import StaticFiles
from endpoint.http.people.gate import FORM_FIELD, Gate, LoginRequiredError, StaleFormError, came_from
from endpoint.store.database import Database
from endpoint.store.fleet_pages import FleetPages

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_API = ("/v1/", "/metrics")
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of each page. Pages are not compressed: they hold a form token beside text of the query (BREACH)."""
_KEPT_OF_ERRORS = ("Allow", "Retry-After", "Connection")


@dataclass(frozen=True, slots=True, kw_only=True)
class NavigationEntry:
    """One entry of the navigation."""

    label: str
    path: str

    def is_current(self, path: str) -> bool:
        """Return whether a page is below this entry."""
        return path == self.path or (self.path != "/" and path.startswith(f"{self.path}/"))


NAVIGATION = (
    NavigationEntry(label="Overview", path="/"),
    NavigationEntry(label="Hosts", path="/hosts"),
    NavigationEntry(label="Fixes", path="/fixes"),
    NavigationEntry(label="Deployments", path="/deployments"),
    NavigationEntry(label="Locks", path="/locks"),
    NavigationEntry(label="Audit", path="/audit"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRoute:
    """One address: Flask's rule, a unique name, and who answers; the handler takes the rule's parts by name."""

    path: str
    endpoint: str
    handler: Callable[..., Response]
    methods: tuple[str, ...] = ("GET",)
    typed: Mapping[str, str] | None = None
    """Labels of what a person types there, by the names of the fields: it comes back if the login has ended meanwhile.

    None: nothing of it may come back, as of a form with a password, or is worth it.
    """


class Visitor(Protocol):
    """What the frame shows of a person."""

    @property
    def name(self) -> str:
        """Return the person's name."""

    @property
    def scope(self) -> Scope:
        """Return the hosts that the person sees."""


class PageModule(Protocol):
    """What registry.py lists."""

    def routes(self) -> Sequence[PageRoute]:
        """Return the addresses that it answers."""


class Site:
    """Renders templates, with the same frame around each."""

    def __init__(self, visitor: Callable[[], Visitor | None], form_token: Callable[[], str]) -> None:
        self._static = StaticFiles()
        self._visitor = visitor
        self._typed: dict[str, Mapping[str, str]] = {}
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=finalize,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.filters.update(FILTERS)
        # The token is asked for by forms only: before the login it sets a cookie.
        self._templates.globals.update(
            static=self._static.address, host_look=host_look, result_look=result_look, form_token=form_token
        )

    @property
    def environment(self) -> Environment:
        """Return Jinja's environment, for the tests of filters and macros."""
        return self._templates

    def render(self, template: str, status: int = HTTPStatus.OK, **values: Any) -> Response:
        """Return a page; `now` is the current time, and `person` the visitor, unless given.

        `limited` tells each page whether it may speak of the fleet, or only of the hosts that the visitor sees.

        Raises:
            StoreError: the database does not answer, so that the visitor is unknown.
            jinja2.UndefinedError: the template names a value that was not given.
        """
        if "person" not in values:
            values["person"] = self._visitor()
        person: Visitor | None = values["person"]
        frame = {
            "now": datetime.now(timezone.utc),
            "navigation": NAVIGATION if person is not None else (),
            "limited": person is not None and not person.scope.is_whole,
            "path": request.path,
        }
        text = self._templates.get_template(template).render({**frame, **values})
        return Response(text, status=status, content_type="text/html; charset=utf-8")

    def register(self, app: Flask, modules: Sequence[PageModule], *, pages: bool = True) -> None:
        """Add the static files, the addresses of all modules, and the headers of all pages.

        Without `pages` only those of the API.
        """
        own = PageRoute(path="/static/<name>", endpoint="static-file", handler=self._static.answer)
        routes = (own, *(route for module in modules for route in module.routes()))
        for route in (route for route in routes if pages or route.path.startswith(_API)):
            if route.typed is not None:
                self._typed[route.endpoint] = route.typed
            app.add_url_rule(
                route.path,
                route.endpoint,
                route.handler,
                methods=list(route.methods),
                provide_automatic_options=False,
            )
        app.after_request(_with_headers)

    def resend(self, error: Exception) -> Response | None:
        """Return a form that was sent after its login had ended, with its values; None: it is another error.

        Only the person sends it again: what it asks for may be wrong by now. Before the next login it has no token, so
        that it comes back once more, with one.
        """
        has_ended = isinstance(error, LoginRequiredError) and error.has_form
        labels = self._typed.get(request.endpoint or "")
        if labels is None or not (has_ended or isinstance(error, StaleFormError)):
            return None
        sent = [(name, text) for name, text in request.form.items(multi=True) if name != FORM_FIELD]
        return self.render(
            "resend.html",
            HTTPStatus.FORBIDDEN,
            has_ended=has_ended,
            came_from=came_from(),
            typed=[(labels[name], name, text.replace("\r\n", "\n")) for name, text in sent if name in labels],
            kept=[(name, text) for name, text in sent if name not in labels],
        )

    def as_page(self, problem: Response) -> Response:
        """Return an error as a page, if the request was not one of the API's."""
        if request.path.startswith(_API) or problem.content_type != "application/problem+json":
            return problem
        document = json.loads(problem.get_data())
        try:
            person = self._visitor()
        except EndpointError:  # as the database may be what the error is about
            person = None
        values = {"title": document["title"], "detail": document["detail"], "person": person}
        page = self.render("error.html", problem.status_code, **values)
        for name in _KEPT_OF_ERRORS:
            if name in problem.headers:
                page.headers[name] = problem.headers[name]
        return page


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContext:
    """What a page module is made of."""

    config: Config
    database: Database
    site: Site
    gate: Gate
    fleet: FleetPages
    """One for all pages: it keeps counts for a few seconds."""


def _with_headers(answer: Response) -> Response:
    # Before 2.1 Werkzeug made an address of a path, by http:// and the Host header: wrong behind a proxy with TLS.
    answer.autocorrect_location_header = False
    if not request.path.startswith(_API):
        for name, value in _HEADERS.items():
            answer.headers.setdefault(name, value)
    return answer
