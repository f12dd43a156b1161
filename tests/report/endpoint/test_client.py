"""How the client reaches the endpoint: over sockets and TLS where that can be, over `requests` elsewhere."""

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import TracebackType

import pytest
import requests

from agent.core.policy.policy import EndpointPolicy
from agent.core.schedule.backoff import ResponseClass
from agent.host import tls_contexts
from agent.host.http_body import read_answer
from agent.host.http_response import MalformedResponseError
from agent.host.http_transport import HttpAnswer
from agent.host.https_exchange import HttpsRequest, exchange
from agent.report.endpoint.client import EndpointClient, EndpointResponse
from tests.core.given import NO_ENDPOINT
from tests.report.endpoint.test_heartbeat import SECRET, ScriptedServer, TunnelProxy, tls
from tests.support.authority import Authority
from tests.support.fault_proxy import private_file

CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def server(authority: Authority) -> Iterator[ScriptedServer]:
    made = ScriptedServer(tls(authority))
    with closing(made):
        yield made


@pytest.fixture
def configured(server: ScriptedServer, authority: Authority, tmp_path: Path) -> EndpointPolicy:
    token = private_file(tmp_path / "token", f"{SECRET}\n")
    url = f"https://127.0.0.1:{server.port}/base"
    changes = {"url": url, "token_file": str(token), "ca_file": str(authority.file), "timeout": timedelta(seconds=20)}
    return replace(NO_ENDPOINT, **changes)  # type: ignore[arg-type]


def send(policy: EndpointPolicy) -> EndpointResponse:
    with closing(EndpointClient(policy)) as client:
        return client.heartbeat(host_id="h", instance_id="i", sequence=7, digest="f00")


def test_request_over_tls_is_that_of_the_contract(server: ScriptedServer, configured: EndpointPolicy) -> None:
    found = send(configured)

    assert (found.response_class, found.no_content, found.why) == (ResponseClass.OK, True, "")
    assert server.requests[0].startswith(b"PUT /base/v1/hosts/h/instances/i/heartbeats/7 HTTP/1.1\r\n")
    assert f"\r\nAuthorization: Bearer {SECRET}\r\n".encode() in server.requests[0]
    assert b"\r\nAccept-Encoding: identity\r\n" in server.requests[0]


def test_proxy_is_asked_to_connect_and_sees_no_token(server: ScriptedServer, configured: EndpointPolicy) -> None:
    proxy = TunnelProxy()

    found = send(replace(configured, proxy=f"http://127.0.0.1:{proxy.port}"))

    assert (found.response_class, found.why) == (ResponseClass.OK, "")
    assert proxy.heads[0].startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n".encode())
    assert SECRET.encode() not in proxy.heads[0]


def test_proxy_that_refuses_is_named(server: ScriptedServer, configured: EndpointPolicy) -> None:
    proxy = TunnelProxy(answer=b"HTTP/1.1 403 No\r\n\r\n")

    found = send(replace(configured, proxy=f"http://127.0.0.1:{proxy.port}"))

    assert (found.response_class, server.connections) == (ResponseClass.RETRY, 0)
    assert found.why.startswith("the proxy cannot be used: HTTP 403")


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 2", b"220 mail.example ESMTP\r\n\r\n"], ids=["none", "half", "mail"]
)
def test_proxy_that_does_not_speak_http_is_named(
    answer: bytes, server: ScriptedServer, configured: EndpointPolicy
) -> None:
    proxy = TunnelProxy(answer=answer)

    found = send(replace(configured, proxy=f"http://127.0.0.1:{proxy.port}"))

    assert (found.response_class, server.connections) == (ResponseClass.RETRY, 0)
    assert re.match("the proxy cannot be used: (the connection was closed|its response is malformed)", found.why)


def test_proxy_that_does_not_answer_is_named_at_the_deadline(configured: EndpointPolicy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
        found = send(replace(configured, proxy=proxy, timeout=timedelta(seconds=1)))

    assert found.why in {"the proxy cannot be used: no answer within 1 seconds", "no answer within 1 seconds"}


def test_endpoint_over_http_is_reached_without_the_proxy() -> None:
    """It would get token and report in clear text."""
    proxy = TunnelProxy()

    found = send(replace(NO_ENDPOINT, url="http://127.0.0.1:9", proxy=f"http://127.0.0.1:{proxy.port}"))

    assert (found.response_class, proxy.heads) == (ResponseClass.RETRY, [])


def test_redirect_is_not_followed(server: ScriptedServer, configured: EndpointPolicy) -> None:
    server.answer = b"HTTP/1.1 307 Elsewhere\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"

    found = send(configured)

    assert (found.response_class, found.status, server.connections) == (ResponseClass.MISCONFIGURED, 307, 1)


@pytest.mark.parametrize("named", [True, False], ids=["ca-file", "system"])
def test_certificate_of_a_stranger_is_not_accepted(
    named: bool,  # noqa: FBT001
    server: ScriptedServer,
    configured: EndpointPolicy,
    stranger: Authority,
) -> None:
    found = send(replace(configured, ca_file=str(stranger.file) if named else ""))

    assert (found.response_class, server.requests) == (ResponseClass.MISCONFIGURED, [])
    assert found.why.startswith("its certificate is not accepted: ")


@pytest.mark.parametrize("has_directory", [True, False], ids=["no-links", "no-directory"])
def test_bundle_of_cas_is_enough(
    has_directory: bool,  # noqa: FBT001
    server: ScriptedServer,
    configured: EndpointPolicy,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The image of a machine may have ca-certificates.crt without the links by hash beside it."""
    monkeypatch.setattr(tls_contexts, "_SYSTEM_CAS", str(tmp_path if has_directory else tmp_path / "missing"))
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(authority.file))

    found = send(replace(configured, ca_file=""))

    assert (found.response_class, found.why, len(server.requests)) == (ResponseClass.OK, "", 1)


def test_certificate_without_a_name_in_its_list_is_not_accepted(
    server: ScriptedServer, configured: EndpointPolicy, authority: Authority
) -> None:
    """The common name counts no more (RFC 9110, 4.3.4)."""
    server.context = tls(authority, "localhost", names="DNS:other.example")

    found = send(replace(configured, url=f"https://localhost:{server.port}"))

    assert (found.response_class, server.requests) == (ResponseClass.MISCONFIGURED, [])


@pytest.mark.parametrize("name", ["ca_file", "client_cert"])
def test_file_without_a_certificate_is_a_problem_and_no_crash(
    name: str, server: ScriptedServer, configured: EndpointPolicy, tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").touch()

    found = send(replace(configured, **{name: str(tmp_path / "empty.pem")}))  # type: ignore[arg-type]

    assert (found.response_class, server.requests) == (ResponseClass.RETRY, [])
    assert found.why.startswith(f"{tmp_path / 'empty.pem'}: ")


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (CHUNKS + b"xyz\r\n", MalformedResponseError),
        (CHUNKS + b"\r\n", MalformedResponseError),
        (CHUNKS + b"3\r\nreceipt\r\n0\r\n\r\n", MalformedResponseError),
        (CHUNKS + b"1" * 99999, MalformedResponseError),
        (CHUNKS + b"1" * 500, ConnectionResetError),
        (CHUNKS + b"9\r\nreceipt", ConnectionResetError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", MalformedResponseError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", MalformedResponseError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nreceipt", ConnectionResetError),
    ],
    ids=["word", "nothing", "too-long", "endless", "cut-off", "in-chunk", "coding", "negative", "in-body"],
)
@pytest.mark.parametrize("step", [1, 7, 16384])
def test_broken_body_is_a_fault(answer: bytes, fault: type[Exception], step: int) -> None:
    parts = iter([answer[at : at + step] for at in range(0, len(answer), step)])

    with pytest.raises(fault):
        read_answer(lambda: next(parts, b""), lambda _status: 1 << 20)


REFUSAL = b"HTTP/1.1 413 Too large\r\nContent-Length: 0\r\n\r\n"


class _Refusing:
    """A connection whose other side answers and closes before it has read everything."""

    def wrap_socket(self, _plain: socket.socket, *, server_hostname: bytes) -> "_Refusing":
        assert server_hostname == b"127.0.0.1"
        return self

    def __enter__(self) -> "_Refusing":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass

    def settimeout(self, _seconds: float) -> None:
        pass

    def __init__(self, fault: OSError, answer: bytes = REFUSAL, then: OSError | None = None) -> None:
        self._fault = fault
        self._answer = answer
        self._then = then

    def sendall(self, _data: bytes) -> None:
        raise self._fault

    def recv(self, _most: int) -> bytes:
        if self._then is not None:
            raise self._then
        answer, self._answer = self._answer, b""
        return answer

    def send(self, port: int) -> HttpAnswer:
        request = HttpsRequest(method="POST", host="127.0.0.1", port=port, path="/", headers={}, body=b"x")
        context: ssl.SSLContext = self  # type: ignore[assignment]
        return exchange(
            request, context, timedelta(seconds=20), lambda receive: read_answer(receive, lambda _status: 0)
        )


_CLOSED_EARLY = [BrokenPipeError(32, "Broken pipe"), ConnectionResetError(104, "Reset"), ssl.SSLEOFError(8, "EOF")]


@pytest.mark.parametrize("fault", _CLOSED_EARLY, ids=["pipe", "reset", "tls"])
def test_refusal_before_the_end_of_a_long_body_is_read(fault: OSError, server: ScriptedServer) -> None:
    assert _Refusing(fault).send(server.port).status == 413


@pytest.mark.parametrize("fault", _CLOSED_EARLY, ids=["pipe", "reset", "tls"])
@pytest.mark.parametrize("then", [None, ConnectionResetError(104, "Reset")], ids=["end", "reset"])
def test_fault_of_sending_is_told_where_no_answer_follows(
    fault: OSError, then: OSError | None, server: ScriptedServer
) -> None:
    with pytest.raises(type(fault)) as caught:
        _Refusing(fault, b"", then).send(server.port)

    assert caught.value is fault


def test_alert_of_tls_says_more_than_the_fault_of_sending(server: ScriptedServer) -> None:
    alert = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED]")

    with pytest.raises(ssl.SSLError) as caught:
        _Refusing(ConnectionResetError(104, "Reset"), then=alert).send(server.port)

    assert caught.value is alert
