"""A heartbeat of the daemon: any answer is bounded, and means done, later, or that the process is needed."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.policy.policy import Policy
from agent.core.schedule.backoff import ResponseClass
from agent.report.endpoint.client import EndpointClient
from agent.report.endpoint.heartbeat import HeartbeatSender, is_offered
from agent.report.export_result import ExportResult
from agent.report.heartbeat_lease import HeartbeatLease
from tests.core.given import policy
from tests.support.authority import Authority
from tests.support.fault_proxy import private_file

NO_CONTENT = b"HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
SECRET = "s3cr3t-s3cr3t"  # noqa: S105 - of this test


@dataclass
class ScriptedServer:
    """A TLS server on loopback that answers each request with the given bytes; each connection has one."""

    context: ssl.SSLContext
    answer: bytes = NO_CONTENT
    drip_s: float = 0.0
    """Pause between two bytes."""
    endless: bytes = b""
    """Sent after the answer, for as long as somebody reads."""
    stays_open: bool = False
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    sent: int = 0
    """Bytes of `endless`."""

    def __post_init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self._socket.accept()
                self.connections += 1
                with suppress(OSError), plain, self.context.wrap_socket(plain, server_side=True) as secured:
                    self._answer(secured)

    def _answer(self, secured: ssl.SSLSocket) -> None:
        secured.settimeout(10)
        request = b""
        while b'"}' not in request:
            if not (received := secured.recv(65536)):
                return  # the client is gone
            request += received
        self.requests.append(request)
        for byte in self.answer if self.drip_s else ():
            secured.sendall(bytes([byte]))
            time.sleep(self.drip_s)
        secured.sendall(b"" if self.drip_s else self.answer)
        while self.endless and self.sent < 1 << 26:
            secured.sendall(self.endless)
            self.sent += len(self.endless)
        if self.stays_open:
            secured.recv(1)


def tls(authority: Authority, name: str = "localhost", names: str = "IP:127.0.0.1") -> ssl.SSLContext:
    certificate = authority.sign(name, names=names)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate.file, certificate.key)
    return made


@pytest.fixture
def server(authority: Authority) -> Iterator[ScriptedServer]:
    made = ScriptedServer(tls(authority))
    with closing(made):
        yield made


@pytest.fixture
def configured(server: ScriptedServer, authority: Authority, tmp_path: Path) -> Policy:
    token = private_file(tmp_path / "token", f"{SECRET}\n")
    endpoint = replace(
        policy().endpoint, url=f"https://127.0.0.1:{server.port}/base", token_file=str(token),
        ca_file=str(authority.file), timeout=timedelta(seconds=20),
    )  # fmt: skip
    return replace(policy(), endpoint=endpoint)


def send(using: Policy, **changes: object) -> ExportResult | None:
    """Send heartbeat 7 under this policy, with these changes to `[endpoint]`."""
    used = replace(using, endpoint=replace(using.endpoint, **changes))  # type: ignore[arg-type]
    lease = HeartbeatLease(
        holder="a", url=used.endpoint.url, host_id="h", instance_id="i", hash="f00", booted_at=None, first=1, last=9
    )
    return HeartbeatSender("/nowhere").send(used, lease, 7, {"skew_s": 3})


def test_request_is_that_of_the_contract(server: ScriptedServer, configured: Policy) -> None:
    found = send(configured)

    assert found is not None
    assert (found.response_class, found.why, found.notable) == (ResponseClass.OK, "", False)
    assert isinstance(found.fields["skew_s"], int)
    assert found.fields["skew_s"] > 1_000_000_000
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    assert first == "PUT /base/v1/hosts/h/instances/i/heartbeats/7 HTTP/1.1"
    headers = dict(line.split(": ", 1) for line in lines)
    assert body == b'{"hash":"f00"}'
    assert headers["Host"] == f"127.0.0.1:{server.port}"
    assert headers["Content-Length"] == str(len(body))
    assert headers["Authorization"] == f"Bearer {SECRET}"
    assert headers["Accept-Encoding"] == "identity"
    assert "Maestro-Requests" not in headers


def test_host_that_takes_requests_says_so(server: ScriptedServer, configured: Policy) -> None:
    send(replace(configured, requests=replace(configured.requests, allow=("check",))))

    assert b"\r\nMaestro-Requests: 1\r\n" in server.requests[0]


@pytest.mark.parametrize(
    "answer",
    [
        NO_CONTENT,
        b"HTTP/1.0 204\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 99\r\n\r\nnot read",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ],
    ids=["plain", "short", "with-a-body", "after-interim-responses"],
)
def test_no_content_is_done(answer: bytes, server: ScriptedServer, configured: Policy) -> None:
    server.answer = answer

    found = send(configured)

    assert found is not None
    assert (found.response_class, found.why) == (ResponseClass.OK, "")


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (429, ResponseClass.RETRY),
        (503, ResponseClass.RETRY),
        (502, ResponseClass.RETRY),
        (500, ResponseClass.SERVER_ERROR),
    ],
)
def test_later_is_classified_as_by_the_process(
    status: int, meaning: ResponseClass, server: ScriptedServer, configured: Policy
) -> None:
    body = b'{"detail": "try again"}'
    head = f"HTTP/1.1 {status} Later\r\nRetry-After: 90\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    server.answer = head + body

    found = send(configured)

    assert found is not None
    assert (found.response_class, found.why) == (meaning, f"HTTP {status} Later: try again")
    assert found.retry_after == timedelta(seconds=90)
    assert found.fields == {"skew_s": 3}


PROBLEM = b'{"detail": "maintenance until 14:00"}'


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 37\r\n\r\n" + PROBLEM,
        b"\r\n" + PROBLEM,
        b"Transfer-Encoding: chunked\r\n\r\n25\r\n" + PROBLEM + b"\r\n0\r\n\r\n",
        b"Content-Length: 99\r\n\r\n" + PROBLEM,
        b"Content-Length: none\r\n\r\n" + PROBLEM,
        b"Content-Encoding: gzip\r\n\r\n" + PROBLEM,
    ],
    ids=["length", "up-to-the-end", "chunks", "cut-off", "no-length", "compressed"],
)
@pytest.mark.parametrize("status", [429, 500, 503])
def test_words_are_those_of_the_process(status: int, rest: bytes, server: ScriptedServer, configured: Policy) -> None:
    server.answer = b"HTTP/1.1 %d Later\r\n" % status + rest

    found = send(configured)
    with closing(EndpointClient(configured.endpoint)) as client:
        by_process = client.heartbeat(host_id="h", instance_id="i", sequence=7, digest="f00")

    assert found is not None
    assert (found.response_class, found.why) == (by_process.response_class, by_process.why)
    assert found.why.startswith(f"HTTP {status} Later")


@pytest.mark.parametrize("status", [200, 201, 301, 302, 307, 400, 401, 403, 404, 405, 409, 410, 413, 422, 101, 304])
def test_other_statuses_need_the_process(status: int, server: ScriptedServer, configured: Policy) -> None:
    location = f"https://127.0.0.1:{server.port}/elsewhere"
    server.answer = f"HTTP/1.1 {status} Other\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()

    assert send(configured) is None
    assert server.connections == 1  # no redirect is followed


@pytest.mark.parametrize(
    "answer",
    [
        b"\x00" * 4096 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 204\r\n\r\n",
        b"HTTP/1.1 204 x\r\nno header\r\n\r\n",
        b"HTTP/1.1 204 x\r\n folded: yes\r\n\r\n",
        b"HTTP/1.1 0204 x\r\n\r\n",
    ],
    ids=["zeros", "ssh", "http-2", "no-header", "folded", "long-status"],
)
def test_garbage_needs_the_process(answer: bytes, server: ScriptedServer, configured: Policy) -> None:
    server.answer = answer

    assert send(configured) is None


@pytest.mark.parametrize(
    ("answer", "endless"),
    [
        (b"HTTP/1.1 204 x\r\n", b"X-A: b\r\n" * 1000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        (b"HTTP/1.1 204 ", b"x" * 10_000),
    ],
    ids=["headers", "interim-responses", "status-line"],
)
def test_endless_head_is_not_read_on(answer: bytes, endless: bytes, server: ScriptedServer, configured: Policy) -> None:
    server.answer, server.endless = answer, endless

    assert send(configured) is None
    assert server.sent < 1 << 25


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 52428800", b"Transfer-Encoding: chunked", b"X: y", b"Content-Length: 99999999999999999999"],
    ids=["50-MB", "chunked", "no-length", "absurd-length"],
)
def test_large_body_is_not_read(head: bytes, server: ScriptedServer, configured: Policy) -> None:
    server.answer, server.endless = b"HTTP/1.1 503 Busy\r\n" + head + b"\r\n\r\n", b" " * 65536

    found = send(configured)

    assert found is not None
    assert (found.response_class, found.why) == (ResponseClass.RETRY, "HTTP 503 Busy")
    assert server.sent < 1 << 25


def test_slow_answer_ends_at_the_one_deadline(server: ScriptedServer, configured: Policy) -> None:
    server.drip_s = 0.05  # each read has a byte in time

    found = send(configured, timeout=timedelta(seconds=1))

    assert found is not None
    assert (found.response_class, found.why) == (ResponseClass.RETRY, "no answer within 1 seconds")


def test_no_answer_at_all_ends_at_the_deadline(server: ScriptedServer, configured: Policy) -> None:
    server.answer, server.stays_open = b"", True

    found = send(configured, timeout=timedelta(seconds=1))

    assert found is not None
    assert found.why == "no answer within 1 seconds"


def test_server_that_does_not_speak_ends_at_the_deadline(configured: Policy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = send(configured, url=f"https://127.0.0.1:{silent.getsockname()[1]}", timeout=timedelta(seconds=1))

    assert found is not None
    assert found.why == "no answer within 1 seconds"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 204 No", b"HTTP/1.1 503 Busy\r\nContent-Length: 99\r\n\r\nhalf"])
def test_answer_that_is_cut_off_is_for_later(answer: bytes, server: ScriptedServer, configured: Policy) -> None:
    server.answer = answer

    found = send(configured)

    assert found is not None
    assert found.response_class is ResponseClass.RETRY
    assert found.why


def test_endpoint_that_is_away_is_for_later(server: ScriptedServer, configured: Policy) -> None:
    server.close()

    found = send(configured)

    assert found is not None
    assert (found.response_class, found.why) == (ResponseClass.RETRY, "Connection refused")


def stranger_name(authority: Authority, _stranger: Authority) -> ssl.SSLContext:
    return tls(authority, "other.example", names="DNS:other.example")


def stranger_ca(_authority: Authority, stranger: Authority) -> ssl.SSLContext:
    return tls(stranger)


def expired(authority: Authority, _stranger: Authority) -> ssl.SSLContext:
    certificate = authority.sign("localhost-expired", expired=True)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate.file, certificate.key)
    return made


@pytest.mark.parametrize("certificate", [stranger_name, stranger_ca, expired], ids=["name", "ca", "expired"])
def test_wrong_certificate_gets_no_token(
    certificate: Callable[[Authority, Authority], ssl.SSLContext],
    server: ScriptedServer, configured: Policy, authority: Authority, stranger: Authority,
) -> None:  # fmt: skip
    server.context = certificate(authority, stranger)

    assert send(configured) is None
    assert server.requests == []


def test_system_cas_do_not_know_a_private_one(server: ScriptedServer, configured: Policy) -> None:
    assert send(configured, ca_file="") is None
    assert server.requests == []


@pytest.mark.parametrize("setting", ["token_file", "ca_file", "client_cert"])
def test_file_that_is_missing_needs_the_process(setting: str, server: ScriptedServer, configured: Policy) -> None:
    assert send(configured, **{setting: "/nowhere/file"}) is None
    assert server.connections == 0


def test_client_certificate_is_shown(server: ScriptedServer, configured: Policy, authority: Authority) -> None:
    server.context.load_verify_locations(authority.file)
    server.context.verify_mode = ssl.CERT_REQUIRED
    own = authority.sign("client")

    refused = send(configured)
    found = send(configured, client_cert=str(own.file), client_key=str(own.key))

    assert refused is not None
    assert refused.response_class is ResponseClass.RETRY
    assert found is not None
    assert found.response_class is ResponseClass.OK


def test_token_is_in_no_fault(server: ScriptedServer, configured: Policy) -> None:
    server.answer = f"HTTP/1.1 503 {SECRET}\r\nContent-Length: 13\r\n\r\n{SECRET}".encode()

    found = send(configured)

    assert found is not None
    assert SECRET not in found.why


@dataclass
class TunnelProxy:
    """An HTTP proxy on loopback: answers CONNECT, then passes bytes on."""

    answer: bytes = b"HTTP/1.1 200 Connected\r\nX: y\r\n\r\n"
    heads: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            with self._socket:
                plain, _ = self._socket.accept()
            with plain:
                self.heads.append(plain.recv(65536))
                plain.sendall(self.answer)
                port = int(self.heads[0].split(b" ")[1].rpartition(b":")[2])
                if b" 200 " not in self.answer:
                    return
                with socket.create_connection(("127.0.0.1", port)) as there:
                    back = threading.Thread(target=_copy, args=(there, plain), daemon=True)
                    back.start()
                    _copy(plain, there)
                    back.join(10)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)


def test_proxy_is_asked_to_connect(server: ScriptedServer, configured: Policy) -> None:
    proxy = TunnelProxy()

    found = send(configured, proxy=f"http://127.0.0.1:{proxy.port}")

    assert found is not None
    assert (found.response_class, found.why) == (ResponseClass.OK, "")
    assert proxy.heads[0].startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n".encode())
    assert SECRET.encode() not in proxy.heads[0]


def test_proxy_that_refuses_is_named(server: ScriptedServer, configured: Policy) -> None:
    proxy = TunnelProxy(answer=b"HTTP/1.1 403 No\r\n\r\n")

    found = send(configured, proxy=f"http://127.0.0.1:{proxy.port}")

    assert found is not None
    assert (found.response_class, found.why) == (ResponseClass.RETRY, "the proxy cannot be used: HTTP 403 No")
    assert server.connections == 0


@pytest.mark.parametrize(
    ("url", "proxy", "offered"),
    [
        ("https://e.example", "", True),
        ("https://e.example", "http://p.example:3128", True),
        ("https://e.example", "https://p.example", False),
        ("http://127.0.0.1:80", "", False),
    ],
)
def test_other_ways_are_for_the_process(url: str, proxy: str, offered: bool) -> None:  # noqa: FBT001
    assert is_offered(replace(policy().endpoint, url=url, proxy=proxy)) is offered
