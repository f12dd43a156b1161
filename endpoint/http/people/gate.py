"""The gate of pages and of the API for people: who asks, what the person may do, and whether a form is ours.

Pages take a session's cookie or the proxy's single sign-on, the API under /v1 takes bearer tokens and nothing else: no
page of another site can use the API with somebody's cookie.
"""

import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TypeVar
from urllib.parse import urlencode, urlsplit, urlunsplit

from flask import Response, after_this_request, g, request

from endpoint.config.model import Config
from endpoint.core.audit import AuditAction
from endpoint.core.people import Person, PersonVia, Right, local_path
from endpoint.errors import EndpointError, RefusedError
from endpoint.http.auth import Authenticator
from endpoint.http.people.cookies import Cookies
from endpoint.http.people.proxy import ProxyPeople
from endpoint.http.tls import BufferedTLSSocket
from endpoint.store.audit import Audit
from endpoint.store.database import Database
from endpoint.store.people.sessions import Sessions
from endpoint.store.tokens import Tokens

Answer = TypeVar("Answer")
FORM_FIELD = "form_token"
"""The name of the hidden field with `Gate.form_token`."""
_MAX_FORM_BYTES = 400_000
_FORM = "application/x-www-form-urlencoded"
_NOT_OURS = "this form was not sent from a page of this site, or is too old: open the page again"


class LoginRequiredError(EndpointError):
    """The browser must log in; becomes a redirect to the login page, and from there back to `path`.

    `has_form`: it sent a form of this site, whose values may come back instead.
    """

    def __init__(self, path: str, *, has_form: bool = False) -> None:
        super().__init__("not logged in")
        self.path = path
        self.has_form = has_form


class StaleFormError(RefusedError):
    """A form of this site is of another login than the present one: its values may come back, with a new token."""

    def __init__(self) -> None:
        super().__init__(403, _NOT_OURS)


def answer_login_required(error: LoginRequiredError) -> Response:
    """Redirect to the login page."""
    query = f"?{urlencode({'next': error.path})}" if error.path != "/" else ""
    return Response(status=303, headers={"Location": f"/login{query}", "Cache-Control": "no-store"})


class Gate:
    """Authenticates the person of the current request."""

    def __init__(self, config: Config, database: Database) -> None:
        self.cookies = Cookies(config)
        people = config.people
        self._sessions = Sessions(database, lifetime=people.session_time, idle=people.idle_time)
        self._tokens = Authenticator(Tokens(database))
        self._proxy = ProxyPeople(config, database)
        self._audit = Audit(database)
        self._behind_proxy = config.behind_proxy
        self._url = config.dashboard.url

    def person(self, right: Right = Right.VIEW) -> Person:
        """Return the person, who has this right.

        Raises:
            LoginRequiredError: on a page, nobody is logged in.
            RefusedError: 401 in the API, 403: the person does not have the right.
            StoreError: the database does not answer.
        """
        found = self._bearer() if _is_api() else self.known()
        if found is None:
            if request.method == "GET":
                raise LoginRequiredError(request.full_path.rstrip("?"))
            raise LoginRequiredError(came_from(), has_form=self._is_proved_same_site() and _form_fault() is None)
        if not found.may(right):
            raise RefusedError(403, f"this needs the right to {right.value}; an administrator can give it")
        _mark_authenticated()
        g.person = found  # for the frame of the page
        return found

    @staticmethod
    def visitor() -> Person | None:
        """Return whom `person` has admitted in this request, for the frame of the page; asks no database."""
        found: Person | None = g.get("person")
        return found

    def known(self) -> Person | None:
        """Return who is logged in on a page, whatever the rights; None: nobody.

        Raises:
            RefusedError: 403: the proxy's person has no rights here.
            StoreError: the database does not answer.
        """
        if "known" not in g:
            g.known = self._proxy.person() or self._of_session()
        found: Person | None = g.known
        return found

    def require_tls(self) -> None:
        """Refuse a login that a browser could not keep: it takes the cookie over TLS only.

        Raises:
            RefusedError: 403: the proxy says that it was reached without TLS.
        """
        if self._behind_proxy and request.headers.get("X-Forwarded-Proto", "https").lower() != "https":
            raise RefusedError(403, "logins need TLS at the proxy: open this page by https://")

    def start_session(self, response: Response, secret: str) -> None:
        """Give a browser its new session, and end the one that it had."""
        earlier = self.cookies.session()
        if earlier:
            self._sessions.end(earlier)
        self.cookies.set_session(response, secret)

    def end_session(self, response: Response) -> None:
        """End the session of this browser."""
        self._sessions.end(self.cookies.session())
        self.cookies.end_session(response)

    def form_token(self) -> str:
        """Return what a form must send back in `FORM_FIELD`; it holds for this browser and this login only."""
        return self._token(self._form_secret())

    def check_form(self) -> None:
        """Check that a form was sent from a page of ours, before anything it asks for is done; not for the API.

        Raises:
            StaleFormError: the browser says that it is one of ours, but it is of an earlier login.
            RefusedError: 403, or 411, 413, 415: it is no form of a browser.
        """
        if not self._is_same_site():
            raise RefusedError(403, _NOT_OURS)
        fault = _form_fault()
        if fault is not None:
            raise fault
        secret = self.cookies.session() if self._has_session() else self.cookies.form()
        sent = request.form.get(FORM_FIELD, "")
        if not secret or not hmac.compare_digest(self._token(secret).encode(), sent.encode("utf-8", "replace")):
            raise StaleFormError if self._is_proved_same_site() else RefusedError(403, _NOT_OURS)

    def note(
        self,
        person: Person,
        action: AuditAction,
        subject: str,
        detail: str = "",
        *,
        host_id: str | None = None,
        deployment: str | None = None,
    ) -> None:
        """Record what a person did, with the address that the request came from; within `together`.

        Raises:
            StoreError: the database does not answer.
        """
        now, name = datetime.now(timezone.utc), person.name
        self._audit.note(
            now, name, action, subject, detail, host_id=host_id, deployment=deployment, address=address() or None
        )

    def together(self, action: Callable[[], Answer]) -> Answer:
        """Carry out an action and the `note` that it makes in one transaction.

        Raises:
            StoreError: the database does not answer.
        """
        return self._audit.together(action)

    def _bearer(self) -> Person:
        caller = self._tokens.caller(request.headers.get("Authorization", ""), None)
        if caller.person is None:
            raise RefusedError(403, "this needs the token of a person, not an agent's")
        return caller.person

    def _of_session(self) -> Person | None:
        secret = self.cookies.session()
        # What the page's script fetches by itself is no activity of the person.
        touch = request.headers.get("Sec-Fetch-Dest") != "empty"
        return self._sessions.find(secret, datetime.now(timezone.utc), touch=touch) if secret else None

    def _has_session(self) -> bool:
        found = self.known()
        return found is not None and found.via is PersonVia.SESSION

    def _form_secret(self) -> str:
        """Return the secret that forms are bound to: the session's, or before a login one of its own cookie."""
        if self._has_session():
            return self.cookies.session()
        if "maestro_form" not in g:
            g.maestro_form = self.cookies.form() or self._new_form_secret()
        return str(g.maestro_form)

    def _new_form_secret(self) -> str:
        secret = secrets.token_urlsafe(32)

        def set_cookie(response: Response) -> Response:
            self.cookies.set_form(response, secret)
            return response

        after_this_request(set_cookie)
        return secret

    def _token(self, secret: str) -> str:
        person = self.known()
        name = person.name if person is not None else ""
        return hmac.new(secret.encode("utf-8", "replace"), f"maestro form of {name}".encode(), "sha256").hexdigest()

    def _is_same_site(self) -> bool:
        """Whether the browser says that a page of this origin sent the form; one that says nothing has the token.

        No script can set Sec-Fetch-Site (W3C Fetch Metadata); browsers without it, and those without TLS, send Origin.
        """
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        if site is not None:
            return site in {"same-origin", "none"}
        return origin is None or (bool(self._url) and origin == self._url) or self._is_own(origin)

    def _is_proved_same_site(self) -> bool:
        """Whether the browser says so, and not only nothing to the contrary.

        Another site must not fill in a form of ours that then needs one click.
        """
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        return site == "same-origin" or (site is None and origin is not None and self._is_same_site())

    def _is_own(self, origin: str) -> bool:
        scheme, _, rest = origin.partition("://")
        if scheme != ("https" if self.cookies.secure else "http"):
            return False
        # nginx' $host has no port; a port in Host must be that of the origin.
        host = str(request.host)
        return host == rest or (self._behind_proxy and ":" not in host and host == rest.partition(":")[0])


def address() -> str:
    """Return the address that the request came from; "": unknown, as on a unix socket without a proxy's header."""
    return str(request.remote_addr or "")[:64]


def came_from() -> str:
    """Return the page that a form was on as a path of this site, with its query; "/": unknown."""
    parts = urlsplit(request.referrer or "")
    return local_path(urlunsplit(("", "", parts.path, parts.query, "")))


def _form_fault() -> RefusedError | None:
    """Return why the body is no form of a browser that may be read; None: it is one."""
    if request.mimetype != _FORM:
        return RefusedError(415, f"the body must be {_FORM}")
    if request.content_length is None or "Transfer-Encoding" in request.headers:
        return RefusedError(411, "the request needs a Content-Length")
    if request.content_length > _MAX_FORM_BYTES:
        return RefusedError(413, f"the form is longer than {_MAX_FORM_BYTES} bytes")
    return None


def _is_api() -> bool:
    return str(request.path).startswith("/v1/")


def _mark_authenticated() -> None:
    connection = request.environ.get("gunicorn.socket")
    if isinstance(connection, BufferedTLSSocket):
        connection.mark_authenticated()  # the request now has its full time
