"""Admits requests: who sends, for which host, and how often."""

import math
import time
from threading import Lock

from flask import request

from endpoint.config.model import Config
from endpoint.core.people import Right
from endpoint.core.rate_limit import RateLimiter
from endpoint.errors import LaterError, RefusedError
from endpoint.http.auth import Authenticator, Caller, Certificate, certified_host, peer_certificate
from endpoint.http.tls import BufferedTLSSocket
from endpoint.store.database import Database
from endpoint.store.enrolment_keys import EnrolmentKeys
from endpoint.store.tokens import Role, Tokens


class Admission:
    """Authenticates the sender of the current request, and applies the rate limit of its host."""

    def __init__(self, config: Config, database: Database) -> None:
        self._config = config
        self._authenticator = Authenticator(Tokens(database))
        self._keys = EnrolmentKeys(database)
        limits = config.limits
        self._rates = RateLimiter(per_minute=limits.requests_per_minute, burst=limits.burst)
        self._lock = Lock()

    def caller(self) -> Caller:
        """Authenticate the sender.

        Raises:
            RefusedError: 401 or 403.
            StoreError: the database does not answer.
        """
        return self._caller(request.headers.get("Authorization", ""))

    def _caller(self, authorization: str) -> Caller:
        caller = self._authenticator.caller(authorization, self._certificate())
        self._mark_authenticated()
        return caller

    @staticmethod
    def _mark_authenticated() -> None:
        connection = request.environ.get("gunicorn.socket")
        if isinstance(connection, BufferedTLSSocket):
            connection.mark_authenticated()  # the request now has its full time

    def administrator(self) -> None:
        """Require an administrator's token.

        Raises:
            RefusedError: 401 or 403.
            StoreError: the database does not answer.
        """
        person = self.caller().person
        if person is None or not person.may(Right.ADMIN):
            raise RefusedError(403, "this needs an administrator's token")

    def sender(self) -> Caller:
        """Authenticate an agent; if it is bound to one host, its rate limit applies before the body is read.

        Raises:
            RefusedError: 401, 403 or 429.
            StoreError: the database does not answer.
        """
        return self._sender(request.headers.get("Authorization", ""))

    def enrolment_key(self) -> str:
        """Return the id of the enrolment key of the request; it may be expired or used up.

        Raises:
            RefusedError: 401.
            StoreError: the database does not answer.
        """
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        found = self._keys.find(text.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            raise RefusedError(401, "the enrolment key is unknown or revoked")
        self._mark_authenticated()
        return found

    def certified_host(self) -> str | None:
        """Return the host that the request's client certificate names; None: none does."""
        certificate = self._certificate()
        return certified_host(certificate) if certificate is not None else None

    def lock_client(self, *, without_token: bool) -> Caller | None:
        """Authenticate a FleetLock client; None: it has neither a token nor a certificate, which may be permitted.

        Such a client cannot send a bearer token, but many send the user and password of their URL (RFC 7617): then the
        password is the token.

        Raises:
            RefusedError: 401, 403 or 429.
            StoreError: the database does not answer.
        """
        authorization = request.headers.get("Authorization", "")
        if request.authorization is not None and request.authorization.type == "basic":
            authorization = f"Bearer {request.authorization.password}"
        if without_token and not authorization and self._certificate() is None:
            return None
        return self._sender(authorization)

    def _sender(self, authorization: str) -> Caller:
        caller = self._caller(authorization)
        if caller.role is not Role.AGENT:
            raise RefusedError(403, "a person's token cannot send messages")
        if caller.host_id is not None:
            self.count(caller.host_id)
        return caller

    def _certificate(self) -> Certificate | None:
        connection = request.environ.get("gunicorn.socket")
        return peer_certificate(connection, request.headers, proxy_verifies=self._config.proxy_verifies)

    def admit(self, caller: Caller, host: object) -> None:
        """Check that the caller may send for the host, and apply the rate limit.

        Raises:
            RefusedError: 403 or 429.
        """
        if caller.host_id is None:
            self.count(host[:36] if isinstance(host, str) else f"unknown host at {request.remote_addr}")
        elif isinstance(host, str) and caller.host_id != host:
            raise RefusedError(403, f"these credentials are not valid for host {host[:36]}")

    def count(self, host: str) -> None:
        """Apply the rate limit of one host.

        Raises:
            LaterError: the host exceeds it.
        """
        with self._lock:
            wait = self._rates.wait_s(host, time.monotonic())
        if wait > 0:
            raise LaterError(429, "this host exceeds its rate limit", math.ceil(wait))
