"""`/account`: what the person may do, and the own login: password and codes."""

import base64
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from urllib.parse import quote

from flask import Response, redirect, request

from endpoint.core.people import Person, PersonVia, Right
from endpoint.errors import LaterError, RefusedError
from endpoint.http.pages.site import PageContext, PageRoute
from endpoint.http.people.logins import LoginDesk
from endpoint.store.people.users import Users


class AccountPages:
    """The page, and the forms on it."""

    def __init__(self, context: PageContext) -> None:
        self._gate = context.gate
        self._site = context.site
        self._desk = LoginDesk(context.database)
        self._users = Users(context.database)
        self._actions: Mapping[str, Callable[[Person], Response]] = {
            "password": self._change_password,
            "totp-on": self._enable_totp,
            "totp-off": self._disable_totp,
        }

    def routes(self) -> Sequence[PageRoute]:
        """Return the addresses."""
        return (
            PageRoute(path="/account", endpoint="account", handler=self.page),
            PageRoute(path="/account", endpoint="change-account", handler=self.change, methods=("POST",)),
        )

    def page(self) -> Response:
        """Return the page."""
        return self._page(self._gate.person())

    def change(self) -> Response:
        """Change the own login; the password is asked for again, for a browser may stand unattended."""
        person = self._gate.person()
        self._gate.check_form()
        action = self._actions.get(request.form.get("action", ""))
        if action is None:
            raise RefusedError(400, "action: must be one of " + ", ".join(self._actions))
        if person.via is not PersonVia.SESSION:
            raise RefusedError(403, "single sign-on has no password here")
        try:
            return action(person)
        except RefusedError as error:
            page = self._page(person, error)
            if isinstance(error, LaterError):
                page.headers["Retry-After"] = str(error.retry_after_s)
            return page

    def _change_password(self, person: Person) -> Response:
        new = request.form.get("new", "")
        if new != request.form.get("again", ""):
            raise RefusedError(422, "the two passwords differ")
        secret = self._desk.change_password(self._desk.confirm(person.name, _password(), _code()), new)
        answer = _again()
        self._gate.start_session(answer, secret)
        return answer

    def _enable_totp(self, person: Person) -> Response:
        self._desk.enable_totp(person.name, _password(), _code())
        return _again()

    def _disable_totp(self, person: Person) -> Response:
        self._desk.disable_totp(person.name, _password(), _code())
        return _again()

    def _page(self, person: Person, error: RefusedError | None = None) -> Response:
        secret = self._desk.totp_secret(person.name) if person.via is PersonVia.SESSION else None
        text = base64.b32encode(secret).decode().rstrip("=") if secret is not None else None
        return self._site.render(
            "account.html",
            error.status if error is not None else HTTPStatus.OK,
            error=error.detail if error is not None else None,
            by_session=person.via is PersonVia.SESSION,
            user=self._users.find(person.name),
            role=person.role.value,
            tags=sorted(person.scope.tags) if person.scope.tags is not None else None,
            may_reboot=person.may(Right.REBOOT),
            secret=" ".join(text[at : at + 4] for at in range(0, len(text), 4)) if text is not None else None,
            address=_totp_address(person.name, text) if text is not None else None,
        )


def _totp_address(name: str, secret: str) -> str:
    """Return the address that authenticators take (github.com/google/google-authenticator/wiki/Key-Uri-Format)."""
    return f"otpauth://totp/maestro:{quote(name, safe='')}?secret={secret}&issuer=maestro"


def _password() -> str:
    return str(request.form.get("password", ""))


def _code() -> str:
    return str(request.form.get("code", ""))


def _again() -> Response:
    answer: Response = redirect("/account", HTTPStatus.SEE_OTHER)
    return answer
