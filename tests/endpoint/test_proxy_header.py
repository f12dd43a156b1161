"""The header that stands for a client certificate behind a proxy: off by default, and never the client's own."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.endpoint_server import EndpointServer, free_port
from tests.support.messages import Outbox

OnSocket = Callable[..., Callable[..., int]]


@pytest.fixture
def on_socket(authority: Authority, tmp_path: Path) -> Iterator[OnSocket]:
    """Return what starts an endpoint on a unix socket, and returns what posts an event there as a proxy would."""
    with ExitStack() as stack:

        def made(**tls: object) -> Callable[..., int]:
            path = tmp_path / "endpoint.sock"
            server = EndpointServer(
                directory=tmp_path, authority=authority, database=f"sqlite:///{tmp_path}/endpoint.db", port=free_port(),
                settings={"server": {"listen": f"unix:{path}"}, "tls": {"certificate": "", "key": "", **tls}},
            )  # fmt: skip
            server.configure()
            stack.callback(server.end)
            server.start(path)
            return lambda *headers: post(path, *headers)

        yield made


def post(path: Path, *headers: str) -> int:
    """Post an event with these header lines; return the status."""
    box = Outbox()
    body = json.dumps(box.batch(box.event())).encode()
    head = [
        "POST /v1/messages HTTP/1.1", "Host: x", "Content-Type: application/json", "Connection: close",
        f"Content-Length: {len(body)}", *(line.format(host=box.host) for line in headers),
    ]  # fmt: skip
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(60)
        stream.connect(str(path))
        stream.sendall("\r\n".join([*head, "", ""]).encode() + body)
        return int(stream.recv(65536).split(b" ", 2)[1])


def test_a_proxy_that_passes_the_header_on_forges_no_certificate_by_default(on_socket: OnSocket) -> None:
    send = on_socket()

    assert send("X-Client-Host-Id: {host}") == 401


def test_the_header_counts_once_the_proxy_is_said_to_verify_certificates(on_socket: OnSocket) -> None:
    send = on_socket(client_certificates="optional")

    assert send("X-Client-Host-Id: {host}") == 200
    assert send() == 401


@pytest.mark.parametrize(
    "header", ["X_Client_Host_Id: {host}", "X_CLIENT-HOST-ID: {host}", "SCRIPT_NAME: /v1", "Content-Length : 5"]
)
def test_a_header_that_wsgi_would_take_for_another_is_rejected_behind_a_proxy(on_socket: OnSocket, header: str) -> None:
    send = on_socket(client_certificates="optional")

    assert send(header) == 400
