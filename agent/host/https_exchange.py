"""One HTTPS request over sockets, without an HTTP library: small enough for the daemon.

The response is untrusted input: one deadline for everything, a bounded head, and a body only as far as the caller reads
it. No redirect is followed, no content decoded, no connection kept. Certificate and name are always verified.
"""

import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import timedelta
from typing import TypeVar

from agent.core.frozen import field, frozen
from agent.host.http_values import fault_text

_MOST_HEAD_BYTES = 1 << 16
"""Status line and header lines, those of interim responses and of a proxy included."""
_CHUNK_BYTES = 1 << 14
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: ([^\r\n]*))?")
_HTTPS_PORT = 443
LENGTH = re.compile(r"[0-9]{1,15}")
"""A length of a body (Content-Length) that is read."""
_INTERIM = range(100, 200)
_SWITCHING = 101
_OK = range(200, 300)
NO_BODY = frozenset({204, 304})

Receive = Callable[[], bytes]
_Answer = TypeVar("_Answer")


class MalformedResponseError(Exception):
    """What came back is no HTTP response, or one that is too large."""


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


@frozen
class HttpsResponse:
    """What came back."""

    status: int
    reason: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case; of a header that is repeated, the first one."""
    body: bytes = b""
    """Empty, too, if it is of unknown length, in chunks, compressed or longer than was asked for."""


def exchange(
    request: HttpsRequest, context: ssl.SSLContext, limit: timedelta, read: Callable[[Receive], _Answer]
) -> _Answer:
    """Send the request and return the response as `read` reads it (`read_response`).

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
                with suppress(BrokenPipeError):  # who refuses a long body may say so before its end, and close
                    secured.sendall(_encoded(request))
                return read(_receiver(secured, deadline))
    except TimeoutError as error:
        raise (error if error.errno else deadline.error()) from None


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


class ResponseReader:
    """Reads heads and a body, and no more than each of them needs."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read = bytearray()
        self._head_bytes = 0

    def head(self) -> bytes:
        """Read up to an empty line; what follows stays for the next call."""
        while (end := self._read.find(b"\r\n\r\n")) < 0:
            if self._head_bytes + len(self._read) > _MOST_HEAD_BYTES:
                raise MalformedResponseError("its head is too long")
            if not self._fill():
                raise ConnectionResetError("the connection was closed without an answer")
        head = bytes(self._read[:end])
        del self._read[: end + 4]
        self._head_bytes += end + 4
        return head

    def take(self, length: int) -> bytes:
        """Read so many bytes; what follows stays for the next call."""
        while len(self._read) < length:
            if not self._fill():
                raise ConnectionResetError("the connection was closed within the answer")
        taken = bytes(self._read[:length])
        del self._read[:length]
        return taken

    def line(self, most: int) -> bytes:
        """Read up to the end of a line of at most `most` bytes; what follows stays for the next call."""
        while (end := self._read.find(b"\r\n", 0, most + 2)) < 0:
            if len(self._read) > most:
                raise MalformedResponseError("a line of its body is too long")
            if not self._fill():
                raise ConnectionResetError("the connection was closed within the answer")
        return self.take(end + 2)[:end]

    def rest(self, most: int) -> bytes | None:
        """Read what comes until the connection is closed; None if that is more than `most` bytes."""
        while len(self._read) <= most:
            if not self._fill():
                return bytes(self._read)
        return None

    def _fill(self) -> bool:
        chunk = self._receive()
        self._read += chunk
        return bool(chunk)


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
    except OSError as error:
        raise OSError(f"the proxy cannot be used: {fault_text(error)}") from error


def _connect(address: tuple[str, int], deadline: _Deadline) -> socket.socket:
    """Connect to the first address of the name that answers."""
    failed = OSError("the name has no address")
    host, port = address
    for family, kind, protocol, _, place in socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM):
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(deadline.remaining_s())
            made.connect(place)
        except OSError as error:
            made.close()
            failed = error
        else:
            return made
    raise failed


def _open_tunnel(plain: socket.socket, request: HttpsRequest, deadline: _Deadline) -> None:
    authority = f"{_bracketed(request.host)}:{request.port}"
    plain.settimeout(deadline.remaining_s())
    plain.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode("ascii"))
    response = read_response(_receiver(plain, deadline), 0)
    if response.status not in _OK:
        raise OSError(f"HTTP {response.status} {response.reason}".rstrip())


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


def read_response(receive: Receive, body_bytes: int) -> HttpsResponse:
    """Read one response, with at most `body_bytes` of its body; `receive` returns what came, nothing at the end.

    Raises:
        OSError: what `receive` raises, or the response is cut off (ConnectionResetError).
        MalformedResponseError: the response cannot be read.
    """
    reader = ResponseReader(receive)
    response = read_head(reader)
    length = _body_length(response)
    if not 0 < length <= body_bytes:
        return response
    return HttpsResponse(
        status=response.status, reason=response.reason, headers=response.headers, body=reader.take(length)
    )


def read_head(reader: ResponseReader) -> HttpsResponse:
    """Read the head of a response, behind those of interim ones.

    Raises:
        OSError: what `receive` raises, or the head is cut off (ConnectionResetError).
        MalformedResponseError: it cannot be read.
    """
    while True:
        response = _parse(reader.head())
        if response.status not in _INTERIM or response.status == _SWITCHING:
            return response


def is_compressed(response: HttpsResponse) -> bool:
    """Return whether the body is not sent as it is."""
    return response.headers.get("content-encoding", "identity").lower() not in {"identity", ""}


def _body_length(response: HttpsResponse) -> int:
    """Return the length of a body that can be read as it is; 0 if there is none."""
    length = response.headers.get("content-length", "")
    if response.status in NO_BODY or is_compressed(response) or "transfer-encoding" in response.headers:
        return 0
    return int(length) if LENGTH.fullmatch(length) else 0


def _parse(head: bytes) -> HttpsResponse:
    first, *lines = head.split(b"\r\n")
    found = _STATUS_LINE.fullmatch(first)
    if found is None:
        raise MalformedResponseError("it does not start like one")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip():
            raise MalformedResponseError("a line of its head is no header")
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1").strip())
    return HttpsResponse(status=int(found[1]), reason=(found[2] or b"").decode("latin-1"), headers=headers)
