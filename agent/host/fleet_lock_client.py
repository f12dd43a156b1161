"""The two calls of FleetLock over HTTP. A server's answers and a network's faults are values, never raised.

Responses are untrusted input: bounded, never followed to another address, with a deadline for the whole exchange.
"""

import ssl
from collections.abc import Mapping
from datetime import timedelta

import requests
import urllib3

from agent.core.fleet_lock.answers import ServerAnswer
from agent.core.fleet_lock.server import (
    PROTOCOL_HEADER,
    REASON_HEADER,
    LockServer,
    joined,
    reason_header,
    request_body,
)
from agent.core.redact import one_line
from agent.errors import ConfigError
from agent.host.bearer_token import read_endpoint_token, read_token, require_readable
from agent.host.http import causes, error_reason, read_bounded, session
from agent.host.http_values import remember_header, retry_after
from agent.host.process.alarm import time_limit
from agent.state.timestamps import utc_now
from agent.version import VERSION

_MOST_BYTES = 1 << 16
_NOT_CONNECTED = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    ssl.SSLCertVerificationError,
)
"""Errors after which the server has not seen the request."""
_NO_TUNNEL = "Tunnel connection failed"
"""Start of http.client's message when a proxy refuses to connect."""


class FleetLockClient:
    """Calls to one server, each over a connection of its own."""

    def __init__(self, server: LockServer) -> None:
        """Take the server; reads no file and sends nothing yet."""
        self._server = server

    def call(self, path: str, limit: timedelta, reason: str = "") -> ServerAnswer:
        """Send one request for this host and its group to `path`; return what came back.

        The reason is for the agent's own endpoint; no other server gets it.
        """
        try:
            with session() as opened:
                self._prepare(opened, reason)
                with time_limit(limit):
                    return self._exchange(opened, path, limit)
        except ConfigError as error:
            return ServerAnswer(fault=str(error), sent=False)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return ServerAnswer(fault=one_line(error_reason(error)), sent=not _never_sent(error))

    def _prepare(self, opened: requests.Session, reason: str) -> None:
        """Set headers and credentials.

        Raises:
            ConfigError: token, CA or certificate cannot be read.
        """
        server = self._server
        opened.headers = {
            "User-Agent": f"maestro-agent/{VERSION}",
            "Accept-Encoding": "identity",
            PROTOCOL_HEADER: "true",
        }
        if server.is_endpoint and reason_header(reason):
            opened.headers[REASON_HEADER] = reason_header(reason)
        token = _token(server)
        if token:
            remember_header(token)
            opened.headers["Authorization"] = f"Bearer {token}"
        require_readable(server.ca_file, server.client_cert, server.client_key)
        opened.verify = server.ca_file or True
        if server.client_cert:
            opened.cert = (server.client_cert, server.client_key or server.client_cert)
        opened.proxies = {"https": server.proxy} if server.proxy else {}  # over HTTP it would get the token

    def _exchange(self, opened: requests.Session, path: str, limit: timedelta) -> ServerAnswer:
        response = opened.post(
            joined(self._server.url, path),
            data=request_body(self._server.id, self._server.group),
            timeout=limit.total_seconds(),
            allow_redirects=False,
            stream=True,
        )
        with response:
            body = read_bounded(response, _MOST_BYTES)
            if body is None or len(body) != _announced(response.headers, len(body)):
                return ServerAnswer(fault=f"HTTP {response.status_code} with a body that is too large or cut off")
            return ServerAnswer(
                status=response.status_code,
                body=body.decode("utf-8", errors="replace"),
                is_page=_is_page(response.headers, body),
                retry_after=retry_after(response.headers.get("Retry-After"), utc_now()),
            )


def _token(server: LockServer) -> str:
    if not server.is_endpoint:
        return read_token(server.token_file)
    return read_endpoint_token(server.token_file, url=server.url, enrolled_in=server.enrolled_in)


def _announced(headers: Mapping[str, str], read: int) -> int:
    """Return the body's length by its header; what was read where there is none, or none that is a number."""
    text = headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdecimal() else read


def _is_page(headers: Mapping[str, str], body: bytes) -> bool:
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind == "text/html" or body.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html"))


def _never_sent(error: BaseException) -> bool:
    """Return whether the request cannot have reached the server's program; a TLS alert comes before it, too."""
    return any(
        isinstance(one, _NOT_CONNECTED)
        or (isinstance(one, ssl.SSLError) and "ALERT" in (one.reason or ""))
        or (isinstance(one, OSError) and str(one).startswith(_NO_TUNNEL))
        for one in causes(error)
    )
