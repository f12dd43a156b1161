"""The cookies: one for the session, and one that ties a form to the browser that got it before anybody logged in."""

from flask import Response, request

from endpoint.config.model import Config

_SESSION, _FORM = "maestro", "maestro-form"


class Cookies:
    """Reads and sets them.

    `__Host-` (RFC 6265bis): a browser takes the cookie over TLS only, for this host only, so that no other host of the
    domain can plant one. Without TLS, which the configuration allows on loopback only, the names have no prefix.
    """

    def __init__(self, config: Config) -> None:
        self.secure = bool(config.tls.certificate) or config.behind_proxy
        """Whether browsers reach this server over TLS."""
        prefix = "__Host-" if self.secure else ""
        self._session, self._form = f"{prefix}{_SESSION}", f"{prefix}{_FORM}"

    def session(self) -> str:
        """Return the session's secret; "": there is none."""
        return str(request.cookies.get(self._session, ""))

    def form(self) -> str:
        """Return the secret of forms before the login; "": there is none."""
        return str(request.cookies.get(self._form, ""))

    def set_session(self, response: Response, secret: str) -> None:
        """Set the session's cookie; it ends with the browser, the session itself earlier."""
        self._set(response, self._session, secret)

    def set_form(self, response: Response, secret: str) -> None:
        """Set the form's cookie."""
        self._set(response, self._form, secret)

    def end_session(self, response: Response) -> None:
        """Remove the session's cookie."""
        response.delete_cookie(self._session, path="/", secure=self.secure, httponly=True, samesite="Lax")

    def _set(self, response: Response, name: str, secret: str) -> None:
        # Lax: with Strict a link in a mail or chat would open the login page.
        response.set_cookie(name, secret, path="/", secure=self.secure, httponly=True, samesite="Lax")
