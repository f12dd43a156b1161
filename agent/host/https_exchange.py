"""One HTTPS request over sockets, without an HTTP library: small enough for the daemon.

The response is untrusted input: one deadline for everything, a bounded head, and a body only as far as the caller reads
it. No redirect is followed, no content decoded, no connection kept. Certificate and name are always verified.
"""

import errno
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from typing import TypeVar

from agent.core.frozen import frozen
from agent.host.http_response import MalformedResponseError, Receive, ResponseReader, read_head
from agent.host.http_values import fault_text

_CHUNK_BYTES = 1 << 14
_HTTPS_PORT = 443
_OK = range(200, 300)
_REFUSED_EARLY = (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError)
"""Of sending: who refuses a long body may say so before its end, and close."""
_NOT_TRIED = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.ENETUNREACH})
"""Errors of an address that this machine has no way to, as of IPv6 where it has none."""

_Answer = TypeVar("_Answer")


@frozen
class HttpsRequest:
    """What is sent, and where to."""

    method: str
    host: str
    """A name or an address; an IPv6 address without brackets."""
    port: int
    path: str
    headers: Mapping[str, str]
    """Without Host, Content-Length and Connection."""
    body: bytes
    proxy: tuple[str, int] | None = None
    """Host and port of an HTTP proxy that is asked to connect (RFC 9110, 9.3.6)."""


def exchange(
    request: HttpsRequest, context: ssl.SSLContext, limit: timedelta, read: Callable[[Receive], _Answer]
) -> _Answer:
    """Send the request and return the response as `read` reads it (`agent.host.http_body.read_answer`).

    The name lookup cannot be interrupted: the limit applies to everything after it.

    Raises:
        OSError: the network or TLS fails, or the limit is reached (TimeoutError).
        MalformedResponseError: the response cannot be read.
    """
    deadline = _Deadline(limit)
    try:
        with _connect_through(request, deadline) as plain:
            plain.settimeout(deadline.remaining_s())
            # As bytes: a text would load the codec for international names.
            with context.wrap_socket(plain, server_hostname=request.host.encode("ascii")) as secured:
                secured.settimeout(deadline.remaining_s())
                return _exchange_over(secured, request, read, deadline)
    except TimeoutError as error:
        raise (error if error.errno else deadline.error()) from None


def _exchange_over(
    secured: ssl.SSLSocket, request: HttpsRequest, read: Callable[[Receive], _Answer], deadline: "_Deadline"
) -> _Answer:
    unsent = None
    try:
        secured.sendall(_encoded(request))
    except _REFUSED_EARLY as error:
        unsent = error
    try:
        return read(_receiver(secured, deadline))
    except (OSError, MalformedResponseError) as error:
        if unsent is None or type(error) is ssl.SSLError:  # an alert says why the other side closed
            raise
        raise unsent from error


class _Deadline:
    """The end of the time for everything."""

    def __init__(self, limit: timedelta) -> None:
        self._limit = limit
        self._at_s = time.monotonic() + limit.total_seconds()

    def remaining_s(self) -> float:
        """Return the time that is left.

        Raises:
            TimeoutError: none is.
        """
        left_s = self._at_s - time.monotonic()
        if left_s <= 0:
            raise self.error()
        return left_s

    def error(self) -> TimeoutError:
        return TimeoutError(f"no answer within {self._limit.total_seconds():g} seconds")


def _receiver(connection: socket.socket, deadline: _Deadline) -> Receive:
    def receive() -> bytes:
        connection.settimeout(deadline.remaining_s())
        return connection.recv(_CHUNK_BYTES)

    return receive


def _connect_through(request: HttpsRequest, deadline: _Deadline) -> socket.socket:
    """Connect, through the proxy where there is one."""
    if request.proxy is None:
        return _connect((request.host, request.port), deadline)
    try:
        with ExitStack() as stack:
            plain = stack.enter_context(_connect(request.proxy, deadline))
            _open_tunnel(plain, request, deadline)
            stack.pop_all()
            return plain
    except (OSError, MalformedResponseError) as error:
        raise OSError(f"the proxy cannot be used: {_proxy_fault(error, deadline)}") from error


def _proxy_fault(error: Exception, deadline: _Deadline) -> str:
    if isinstance(error, MalformedResponseError):
        return f"its response is malformed: {error}"
    if isinstance(error, TimeoutError) and not error.errno:
        return str(deadline.error())
    return fault_text(error) or type(error).__name__


def _connect(address: tuple[str, int], deadline: _Deadline) -> socket.socket:
    """Connect to the first address of the name that answers; each has a share of the time that is left.

    Raises:
        OSError: that of the first address that could be tried.
    """
    host, port = address
    failed: list[OSError] = []
    places = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    for index, (family, kind, protocol, _, place) in enumerate(places):
        with ExitStack() as stack:
            try:
                made = stack.enter_context(socket.socket(family, kind, protocol))
                made.settimeout(deadline.remaining_s() / (len(places) - index))
                made.connect(place)
            except OSError as error:
                failed.append(error)
            else:
                stack.pop_all()
                return made
    tried = (error for error in failed if error.errno not in _NOT_TRIED)
    raise next(tried, failed[0] if failed else OSError("the name has no address"))


def _open_tunnel(plain: socket.socket, request: HttpsRequest, deadline: _Deadline) -> None:
    authority = f"{_bracketed(request.host)}:{request.port}"
    plain.settimeout(deadline.remaining_s())
    plain.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode("ascii"))
    head = read_head(ResponseReader(_receiver(plain, deadline)))
    if head.status not in _OK:
        raise OSError(f"HTTP {head.status} {head.reason}".rstrip())


def _encoded(request: HttpsRequest) -> bytes:
    port = "" if request.port == _HTTPS_PORT else f":{request.port}"
    headers = {
        "Host": f"{_bracketed(request.host)}{port}",
        **request.headers,
        "Content-Length": str(len(request.body)),
        "Connection": "close",
    }
    lines = [f"{request.method} {request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + request.body


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
