"""`/login`, `/login/<secret>` and `/logout`."""

from collections.abc import Sequence
from http import HTTPStatus

from flask import Response, redirect, request

from endpoint.core.audit import AuditAction
from endpoint.core.people import Person, PersonVia, local_path
from endpoint.errors import LaterError, RefusedError
from endpoint.http.pages.site import PageContext, PageRoute
from endpoint.http.people.logins import LoginDesk
from endpoint.store.people.users import LinkPurpose


class LoginPages:
    """The pages that need nobody to be logged in."""

    def __init__(self, context: PageContext) -> None:
        self._gate = context.gate
        self._site = context.site
        self._desk = LoginDesk(context.database)

    def routes(self) -> Sequence[PageRoute]:
        """Return the addresses."""
        return (
            PageRoute(path="/login", endpoint="login", handler=self.form),
            PageRoute(path="/login", endpoint="log-in", handler=self.log_in, methods=("POST",)),
            PageRoute(path="/login/<secret>", endpoint="login-link", handler=self.link),
            PageRoute(path="/login/<secret>", endpoint="use-login-link", handler=self.use_link, methods=("POST",)),
            PageRoute(path="/logout", endpoint="log-out", handler=self.log_out, methods=("POST",)),
        )

    def form(self) -> Response:
        """Return the form; who is logged in goes on at once."""
        self._gate.require_tls()
        after = local_path(request.args.get("next", "/"))
        return _see_other(after) if self._gate.known() is not None else self._form(after)

    def log_in(self) -> Response:
        """Start a session, and end the one that this browser had."""
        self._gate.require_tls()
        self._gate.check_form()
        values = request.form
        after = local_path(values.get("next", "/"))
        try:
            secret = self._desk.log_in(values.get("name", ""), values.get("password", ""), values.get("code", ""))
        except RefusedError as error:
            return self._form(after, error)
        return self._go_on(secret, after)

    def link(self, secret: str) -> Response:
        """Return what a one-time link is for; only sending the form uses it, for mail filters open links, too."""
        self._gate.require_tls()
        return self._link_form(secret)

    def use_link(self, secret: str) -> Response:
        """Set a password if the link is for that, and start a session."""
        self._gate.require_tls()
        self._gate.check_form()
        values = request.form
        try:
            if values.get("password", "") != values.get("again", ""):
                raise RefusedError(422, "the two passwords differ")
            session = self._desk.use_link(secret, values.get("password", ""), values.get("code", ""))
        except RefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                raise
            return self._link_form(secret, error)
        return self._go_on(session, "/")

    def log_out(self) -> Response:
        """End the session."""
        person = self._gate.person()
        self._gate.check_form()
        answer = _see_other("/login" if person.via is PersonVia.SESSION else "/")
        if person.via is PersonVia.SESSION:
            self._gate.together(lambda: self._end_session(person, answer))
        return answer

    def _end_session(self, person: Person, answer: Response) -> None:
        self._gate.end_session(answer)
        self._gate.note(person, AuditAction.LOGGED_OUT, person.name)

    def _form(self, after: str, error: RefusedError | None = None) -> Response:
        return self._answer("login.html", error, after=after, name=request.form.get("name", "")[:64])

    def _link_form(self, secret: str, error: RefusedError | None = None) -> Response:
        found, purpose = self._desk.link(secret)
        sets_password = purpose is LinkPurpose.PASSWORD
        return self._answer(
            "login_link.html", error, name=found.name, sets_password=sets_password, has_totp=found.totp is not None
        )

    def _answer(self, template: str, error: RefusedError | None, **values: object) -> Response:
        detail = error.detail if error is not None else None
        page = self._site.render(template, error.status if error is not None else HTTPStatus.OK, error=detail, **values)
        if isinstance(error, LaterError):
            page.headers["Retry-After"] = str(error.retry_after_s)
        return page

    def _go_on(self, secret: str, after: str) -> Response:
        answer = _see_other(after)
        self._gate.start_session(answer, secret)
        return answer


def _see_other(path: str) -> Response:
    answer: Response = redirect(path, HTTPStatus.SEE_OTHER)
    return answer
