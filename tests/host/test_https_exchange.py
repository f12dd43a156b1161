"""A request over sockets: addresses that do not answer, and answers in every form that RFC 9112 allows."""

import errno
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from typing import Any

import pytest

from agent.host.http_body import read_answer
from agent.host.http_response import MalformedResponseError
from agent.host.http_transport import HttpAnswer
from agent.host.https_exchange import HttpsRequest, exchange

LIMIT = timedelta(seconds=3)
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def read(answer: bytes, step: int = 1 << 14) -> HttpAnswer:
    parts = iter([answer[at : at + step] for at in range(0, len(answer), step)])
    return read_answer(lambda: next(parts, b""), lambda _status: 1 << 20)


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"X: a\r\n  b\r\nContent-Length: 7\r\n\r\nreceipt",
        OK + b"Content-Length:\r\n\t7\r\n\r\nreceipt",
        OK + b"Content-Length: 000000000000000000007\r\n\r\nreceipt",
        OK + b"Content-Length: 7, 07\r\n\r\nreceipt",
        OK + b"Content-Length: 7\r\nContent-Length: 7\r\n\r\nreceipt",
        CHUNKED + b"0000000000000007\r\nreceipt\r\n000000000000\r\n\r\n",
        CHUNKED + b"7;name=" + b"x" * 2000 + b"\r\nreceipt\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK + b"\r\nreceipt",
    ],
    ids=["folded", "folded-length", "zeros", "list", "twice", "chunk-zeros", "long-extension", "interim"],
)
@pytest.mark.parametrize("step", [1, 7, 1 << 14])
def test_legal_answer_is_read(answer: bytes, step: int) -> None:
    found = read(answer, step)

    assert (found.status, found.body) == (200, b"receipt")


def test_folded_line_is_joined_with_a_space() -> None:
    assert read(OK + b"X: a\r\n \t b\r\n c \r\n\r\n").headers == {"x": "a b c"}


@pytest.mark.parametrize(
    "answer",
    [
        OK + b" X: a\r\n\r\n",
        OK + b"Content-Length: 7, 8\r\n\r\nreceipt",
        OK + b"Content-Length: 7\r\nContent-Length: 8\r\n\r\nreceipt",
        OK + b"Content-Length: 7,\r\n\r\nreceipt",
        b"HTTP/1.1 200 OK\nContent-Length: 7\n\nreceipt",
    ],
    ids=["folds-nothing", "different-list", "different", "half-list", "bare-line-feeds"],
)
def test_malformed_answer_is_none(answer: bytes) -> None:
    with pytest.raises(MalformedResponseError):
        read(answer)


BROKEN = [
    b"Content-Length: 99\r\n\r\nshort",
    b"Content-Length: many\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
    b"Transfer-Encoding: gzip\r\n\r\n",
]


@pytest.mark.parametrize("body", BROKEN, ids=["short", "no-length", "no-last-chunk", "coding"])
@pytest.mark.parametrize("status", [401, 413, 429, 503])
def test_head_of_an_error_counts_though_its_body_is_broken(status: int, body: bytes) -> None:
    found = read(b"HTTP/1.1 %d Why\r\nRetry-After: 600\r\nDate: now\r\n" % status + body)

    assert (found.status, found.reason, found.body) == (status, "Why", None)
    assert (found.headers["retry-after"], found.headers["date"]) == ("600", "now")


@pytest.mark.parametrize("body", BROKEN, ids=["short", "no-length", "no-last-chunk", "coding"])
@pytest.mark.parametrize("status", [200, 201, 202])
def test_answer_whose_body_matters_counts_only_whole(status: int, body: bytes) -> None:
    with pytest.raises((ConnectionResetError, MalformedResponseError)):
        read(b"HTTP/1.1 %d Yes\r\n" % status + body)


@pytest.fixture
def listening() -> Iterator[int]:
    """Return a port of 127.0.0.1 that takes connections, and speaks no TLS."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.fixture
def full(listening: int) -> Iterator[str]:
    """Return an address that answers nothing at this port: its queue is full."""
    with ExitStack() as stack:
        server = stack.enter_context(closing(socket.socket()))
        server.bind(("127.0.0.2", listening))
        server.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(closing(socket.socket()))
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.2", listening))
        yield "127.0.0.2"


class _Connected(Exception):  # noqa: N818 - no error
    """TLS is about to begin."""


class _Context:
    def wrap_socket(self, plain: socket.socket, *, server_hostname: bytes) -> None:
        assert server_hostname == b"many.example"
        raise _Connected(plain.getpeername()[0])


def connect(monkeypatch: pytest.MonkeyPatch, port: int, *addresses: str | int) -> None:
    """Connect to a name with these addresses; a number is that of a family which this machine does not have."""

    def places(*_arguments: object, **_options: object) -> list[tuple[Any, ...]]:
        kind = socket.SOCK_STREAM
        return [
            (one, kind, 0, "", ()) if isinstance(one, int) else (socket.AF_INET, kind, 0, "", (one, port))
            for one in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", places)
    request = HttpsRequest(method="GET", host="many.example", port=port, path="/", headers={}, body=b"")
    context: ssl.SSLContext = _Context()  # type: ignore[assignment]
    exchange(request, context, LIMIT, lambda receive: receive())


def test_address_that_does_not_answer_leaves_time_for_the_next(
    full: str, listening: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(_Connected, match=r"127\.0\.0\.1"):
        connect(monkeypatch, listening, full, "127.0.0.1")


def test_address_of_a_family_that_is_missing_is_passed_over(listening: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(_Connected, match=r"127\.0\.0\.1"):
        connect(monkeypatch, listening, 99, "127.0.0.1")


@pytest.mark.parametrize("addresses", [("127.0.0.3", 99), (99, "127.0.0.3")], ids=["first", "last"])
def test_error_is_that_of_the_address_that_could_be_tried(
    addresses: tuple[str | int, ...], listening: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConnectionRefusedError):
        connect(monkeypatch, listening, *addresses)


def test_error_without_any_address_that_could_be_tried(listening: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="family") as caught:
        connect(monkeypatch, listening, 99)

    assert caught.value.errno == errno.EAFNOSUPPORT
