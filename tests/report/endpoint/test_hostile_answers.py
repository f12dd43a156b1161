"""Any bytes as a response give a result, within limits of time and memory; whichever library reads them."""

import gzip
import os
import resource
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from agent.core.policy.policy import EndpointPolicy
from agent.core.schedule.backoff import ResponseClass
from agent.errors import ConfigError
from agent.host.process.alarm import time_limit
from agent.report.endpoint.client import EndpointClient, EndpointResponse
from tests.core.given import NO_ENDPOINT
from tests.support.authority import Authority

HEAD = b"HTTP/1.1 200 OK\r\n"


@dataclass
class HostileServer:
    """A server on loopback that answers each request with the given bytes and closes the connection."""

    tls: ssl.SSLContext | None = None
    ca_file: str = ""
    answer: bytes = b""
    got: bytes = b""

    def __post_init__(self) -> None:
        self.socket_ = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket_.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self.socket_.accept()
                with suppress(OSError), plain:
                    if self.tls is None:
                        self._answer(plain)
                        continue
                    with self.tls.wrap_socket(plain, server_side=True) as secured:
                        self._answer(secured)

    def _answer(self, connection: socket.socket) -> None:
        self.got = connection.recv(65536)
        if b"\r\n\r\n" in self.got[-4:]:
            self.got += connection.recv(65536)  # the body came in its own packet
        connection.sendall(self.answer)

    @property
    def policy(self) -> EndpointPolicy:
        scheme = "http" if self.tls is None else "https"
        return replace(NO_ENDPOINT, url=f"{scheme}://127.0.0.1:{self.port}", ca_file=self.ca_file)

    def post(self) -> EndpointResponse:
        return self._ask(lambda client: client.post({"messages": []}))

    def heartbeat(self) -> EndpointResponse:
        return self._ask(lambda client: client.heartbeat(host_id="h", instance_id="i", sequence=1, digest="d"))

    def _ask(self, how: Callable[[EndpointClient], EndpointResponse]) -> EndpointResponse:
        client = EndpointClient(self.policy)
        try:
            return how(client)
        finally:
            client.close()


@pytest.fixture(scope="module", params=["http", "https"])
def server(request: pytest.FixtureRequest, authority: Authority) -> Iterator[HostileServer]:
    """Return one for `requests`, which is used over HTTP, and one for sockets and TLS."""
    if request.param == "http":
        made = HostileServer()
    else:
        certificate = authority.sign("localhost", names="IP:127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.file, certificate.key)
        made = HostileServer(tls=context, ca_file=str(authority.file))
    yield made
    made.socket_.shutdown(socket.SHUT_RDWR)
    made.socket_.close()


HEADERS = some.sampled_from(
    [
        b"Content-Length: 5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Retry-After: 99999999999999999999999\r\n",
        b"Retry-After: -5\r\n",
        b"Retry-After: Fri, 99 Foo 99999 99:99:99 GMT\r\n",
        b"Retry-After: Mon, 01 Jan 0001 00:00:00 +2359\r\n",
        b"Date: yesterday\r\n",
        b"Date: Mon, 01 Jan 0001 00:00:00 -0000\r\n",
        b"Date: Fri, 31 Dec 9999 23:59:59 -2359\r\n",
        b"Location: file:///etc/passwd\r\n",
        b"Set-Cookie: a=b\r\n",
        b"Connection: upgrade\r\n",
    ]
)
ANSWERS = some.builds(
    lambda status, headers, body: b"HTTP/1.1 %d X\r\n" % status + b"".join(headers) + b"\r\n" + body,
    some.sampled_from([100, 101, 200, 204, 206, 301, 304, 400, 401, 413, 422, 429, 500, 503, 999]),
    some.lists(HEADERS, max_size=4),
    some.binary(max_size=300),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=some.one_of(some.binary(max_size=300), ANSWERS))
@example(answer=b"")
@example(answer=HEAD + b"Content-Length: 3000000\r\n\r\n" + b" " * 3_000_000)
@example(answer=HEAD + b"X: " + b"x" * 1_000_000)
@example(answer=(HEAD + b"\r\n") * 9)
def test_arbitrary_response_is_handled(answer: bytes, server: HostileServer) -> None:
    server.answer = answer

    for found in (server.post(), server.heartbeat()):
        assert isinstance(found, EndpointResponse)
        assert len(found.text) <= 1 << 20
        assert found.why or found.response_class is ResponseClass.OK
        assert found.why.isprintable()


def test_text_that_utf8_cannot_represent_stops_no_message(server: HostileServer) -> None:
    """The name of a configuration file may have any bytes; Python turns them into surrogates."""
    client = EndpointClient(server.policy)

    client.post({"messages": ["/etc/caf\udce9.conf"]})
    client.close()

    assert gzip.decompress(server.got.partition(b"\r\n\r\n")[2]) == b'{"messages":["/etc/caf?.conf"]}'


def test_token_repeated_by_the_server_is_redacted(server: HostileServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cr3t-token\n")
    problem = b'{"title": "no such token: s3cr3t-token"}'
    server.answer = b"HTTP/1.1 401 Bad s3cr3t-token\r\nContent-Length: %d\r\n\r\n%s" % (len(problem), problem)
    client = EndpointClient(replace(server.policy, token_file=str(tmp_path / "token")))

    found = client.post({"messages": []})
    client.close()

    assert found.why == "HTTP 401 Bad ...: no such token: ..."


CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("rest", "text"),
    [
        (b"Content-Length: 7\r\n\r\nreceipt", "receipt"),
        (b"Content-Length: 7\r\n\r\nreceipt and more", "receipt"),
        (b"Connection: close\r\n\r\nreceipt", "receipt"),
        (CHUNKS + b"3\r\nrec\r\n4;ext=1\r\neipt\r\n0\r\n\r\n", "receipt"),
        (CHUNKS + b"007 \r\nreceipt\r\n0\r\nTrailer: x\r\n\r\n", "receipt"),
        (b"Content-Length: 0\r\n\r\n", ""),
    ],
    ids=["length", "length-and-more", "up-to-the-end", "chunks", "chunks-and-trailer", "empty"],
)
def test_receipt_is_read_however_its_body_ends(rest: bytes, text: str, server: HostileServer) -> None:
    server.answer = HEAD + rest

    found = server.post()

    assert (found.response_class, found.why, found.text) == (ResponseClass.OK, "", text)


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 1048577\r\n\r\n" + b"x" * 1048577,
        b"\r\n" + b"x" * 1048577,
        CHUNKS + b"80000\r\n" + b"x" * 0x80000 + b"\r\n80001\r\n" + b"x" * 0x80001 + b"\r\n0\r\n\r\n",
        b"Content-Encoding: gzip\r\nContent-Length: 24\r\n\r\n" + gzip.compress(b"x" * 9999)[:24],
    ],
    ids=["length", "up-to-the-end", "chunks", "compressed"],
)
def test_receipt_that_is_long_or_compressed_is_refused(rest: bytes, server: HostileServer) -> None:
    server.answer = HEAD + rest

    found = server.post()

    assert (found.response_class, found.text) == (ResponseClass.SERVER_ERROR, "")
    assert "compressed, or of more than 1048576 bytes" in found.why


@pytest.mark.parametrize(
    "rest",
    [b"Content-Length: 9\r\n\r\nreceipt", CHUNKS + b"9\r\nreceipt", CHUNKS + b"7\r\nreceipt\r\n"],
    ids=["length", "in-chunk", "no-last-chunk"],
)
def test_receipt_that_is_cut_off_is_for_later(rest: bytes, server: HostileServer) -> None:
    server.answer = HEAD + rest

    found = server.post()

    assert (found.response_class, found.status, found.text) == (ResponseClass.RETRY, 0, "")
    assert found.why == "the connection was closed within the answer"


@pytest.mark.parametrize("status", [102, 103, 199])
def test_interim_response_is_no_answer(status: int, server: HostileServer) -> None:
    server.answer = b"HTTP/1.1 %d Soon\r\nLink: x\r\n\r\n" % status

    found = server.post()

    assert (found.response_class, found.status, bool(found.why)) == (ResponseClass.RETRY, 0, True)


@pytest.mark.parametrize("rest", [b"Content-Length: 99\r\n\r\nhalf", CHUNKS + b"9\r\nhalf"], ids=["length", "chunk"])
def test_error_whose_body_is_cut_off_says_when_to_come_again(rest: bytes, server: HostileServer) -> None:
    server.answer = b"HTTP/1.1 429 Busy\r\nRetry-After: 600\r\n" + rest

    found = server.post()

    assert (found.status, found.retry_after, found.why) == (429, timedelta(seconds=600), "HTTP 429 Busy")


@pytest.mark.parametrize("kind", ["application/problem+json", "Application/Problem+JSON; charset=utf-8"])
def test_media_type_is_compared_without_case(kind: str, server: HostileServer) -> None:
    server.answer = f"HTTP/1.1 422 No\r\nContent-Type: {kind}\r\nContent-Length: 2\r\n\r\n{{}}".encode()

    assert server.post().final


def test_long_response_is_not_read_to_its_end(server: HostileServer) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    server.answer = HEAD + b"Content-Length: 50000000\r\n\r\n" + b" " * 50_000_000
    made = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    found = server.post()

    assert found.response_class is ResponseClass.SERVER_ERROR
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - made < 20_000
    assert made >= before


@pytest.mark.parametrize("text", ["\udcff", float("nan")])
def test_unencodable_batch_is_an_error_and_not_a_crash(text: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file name that is not UTF-8 has lone surrogates in Python."""
    taken: list[bytes] = []

    def exchange(_method: str, _path: str, body: bytes, _headers: object) -> EndpointResponse:
        taken.append(gzip.decompress(body))
        return EndpointResponse(response_class=ResponseClass.OK)

    client = EndpointClient(replace(NO_ENDPOINT, url="http://127.0.0.1:9"))
    monkeypatch.setattr(client, "_exchange", exchange)

    answer = client.post({"x": text})

    if isinstance(text, str):
        assert taken == [b'{"x":"?"}']
    else:
        assert (answer.response_class, taken) == (ResponseClass.SERVER_ERROR, [])


@pytest.mark.parametrize("name", ["token_file", "ca_file", "client_cert", "client_key"])
def test_pipe_in_place_of_a_file_does_not_hang(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    changes: Any = {name: str(tmp_path / "pipe")}
    policy = replace(NO_ENDPOINT, url="https://127.0.0.1:9", **changes)

    with time_limit(timedelta(minutes=1)), pytest.raises(ConfigError, match="not a regular file"):
        EndpointClient(policy)
