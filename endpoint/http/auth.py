"""Authenticates requests: a bearer token, or a client certificate that TLS has verified."""

import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from endpoint.core.host_id import parse_host_id
from endpoint.core.people import Person
from endpoint.errors import RefusedError
from endpoint.store.tokens import Role, Token, Tokens

Certificate = Mapping[str, Any]
_PROXIED_HOST = "X-Client-Host-Id"
"""Set by the proxy to the UUID in a verified client certificate (docs/endpoint/nginx.conf.example)."""
_CACHED_S = 5.0
_MAX_CACHED = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The authenticated sender of a request."""

    role: Role
    host_id: str | None
    """The host it may send for; None: any."""
    person: Person | None = None
    """Whose rights it has; None: an agent."""


class Authenticator:
    """Authenticates callers; a valid token is cached for 5 s, so a revocation takes that long."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._lock = Lock()
        self._cache: dict[str, tuple[float, Token]] = {}

    def caller(self, authorization: str, certificate: Mapping[str, Any] | None) -> Caller:
        """Return the caller.

        Raises:
            RefusedError: 401 for an unknown caller, 403 for a certificate of one host with a token of another.
            StoreError: the database does not answer.
        """
        host_of_certificate = certified_host(certificate) if certificate else None
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() == "bearer":
            token = self._token(text.strip())
            if token is None:
                raise RefusedError(401, "the token is unknown or revoked")
            hosts = {host for host in (token.host_id, host_of_certificate) if host is not None}
            if len(hosts) > 1:
                raise RefusedError(403, "the token belongs to another host than the certificate")
            return Caller(role=token.role, host_id=next(iter(hosts), None), person=token.person)
        if not certificate:
            raise RefusedError(401, "neither a bearer token nor a client certificate")
        return Caller(role=Role.AGENT, host_id=host_of_certificate)

    def _token(self, text: str) -> Token | None:
        now = time.monotonic()
        with self._lock:
            until, token = self._cache.get(text, (0.0, None))
        if token is not None and until > now:
            return token
        token = self._tokens.find(text)
        with self._lock:
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            if token is None:
                self._cache.pop(text, None)
            else:
                self._cache[text] = (now + _CACHED_S, token)
        return token


def peer_certificate(connection: object, headers: Mapping[str, str], *, proxy_verifies: bool) -> Certificate | None:
    """Return the verified certificate of a connection, as `ssl.SSLSocket.getpeercert` does.

    Where a proxy verifies it, it is made of the header that the proxy sets, which is trusted on a unix socket only.
    """
    if isinstance(connection, ssl.SSLSocket):
        return connection.getpeercert()
    if proxy_verifies and isinstance(connection, socket.socket) and connection.family == socket.AF_UNIX:
        host = parse_host_id(headers.get(_PROXIED_HOST, ""))
        return {"subject": ((("commonName", host),),)} if host is not None else None
    return None


def certified_host(certificate: Mapping[str, Any]) -> str | None:
    """Return the host that a certificate names: a UUID as alternative name (URI or DNS), or as common name."""
    names = [value for _, value in certificate.get("subjectAltName", ())]
    names += [value for part in certificate.get("subject", ()) for kind, value in part if kind == "commonName"]
    return next((host for host in map(parse_host_id, names) if host is not None), None)
