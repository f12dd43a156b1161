"""The shipped nginx configuration in front of stock gunicorn: contract, certificates, slow and hostile clients."""

import gzip
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.endpoint.conftest import CHECKOUT
from tests.endpoint.test_heartbeats import beat, known
from tests.endpoint.test_refusals import event_batch, problem
from tests.endpoint.test_server import FRAMINGS, HEALTH, statuses
from tests.support.authority import Authority
from tests.support.endpoint_server import Client, EndpointServer, free_port
from tests.support.messages import Outbox

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")
pytestmark = [
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed (tools/test installs it)"),
    pytest.mark.xdist_group("endpoint-nginx"),
]
EXAMPLE = CHECKOUT / "docs/endpoint/nginx.conf.example"
SLOW = 40


def configuration(directory: Path, server: EndpointServer, authority: Authority) -> str:
    """Return the example with the paths of this test, and nothing else changed but what it comments out."""
    certificate = authority.sign("localhost")
    site = EXAMPLE.read_text()
    for shipped, ours in (
        ("/run/maestro-endpoint/endpoint.sock", f"{directory}/endpoint.sock"),
        ("listen 8443 ssl", f"listen 127.0.0.1:{server.port} ssl"),
        ("/etc/maestro-endpoint/server.pem", str(certificate.file)),
        ("/etc/maestro-endpoint/server.key", str(certificate.key)),
        ("# ssl_client_certificate /etc/maestro-endpoint/agents-ca.pem", f"ssl_client_certificate {authority.file}"),
        ("# ssl_verify_client", "ssl_verify_client"),
    ):
        assert shipped in site
        site = site.replace(shipped, ours)
    ours = f"daemon off; pid {directory}/pid; error_log {directory}/error.log; user root; events {{}}"
    return f"{ours}\nhttp {{\n{site}}}\n"


@pytest.fixture(scope="module")
def proxied(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndpointServer]:
    """Return an endpoint on a unix socket; its clients connect to nginx."""
    directory = tmp_path_factory.mktemp("proxied")
    server = EndpointServer(
        directory=directory, authority=authority, database=f"sqlite:///{directory}/endpoint.db", port=free_port(),
        settings={
            "server": {"listen": f"unix:{directory}/endpoint.sock", "threads": 2},
            "tls": {"certificate": "", "key": "", "client_certificates": "optional"},
            "people": {
                "header": "X-Remote-User", "groups_header": "X-Remote-Groups", "groups": {"staff": {"role": "admin"}},
            },
        },
    )  # fmt: skip
    server.configure()
    (directory / "nginx.conf").write_text(configuration(directory, server, authority))
    assert NGINX is not None
    subprocess.run([NGINX, "-q", "-t", "-c", str(directory / "nginx.conf")], check=True)
    with ExitStack() as stack:
        nginx = subprocess.Popen([NGINX, "-c", str(directory / "nginx.conf")], stderr=subprocess.DEVNULL)
        stack.callback(nginx.wait)
        stack.callback(nginx.terminate)
        server.start()
        stack.callback(server.end)
        deadline = time.monotonic() + 60
        while not (directory / "endpoint.sock").exists() or server.client().get("/v1/health").status != 200:
            assert time.monotonic() < deadline, server.journal
            time.sleep(0.05)
        yield server
        server.hang_up()


@pytest.fixture(scope="module")
def proxied_token(proxied: EndpointServer) -> str:
    return proxied.token()


@pytest.fixture
def agent(proxied: EndpointServer, proxied_token: str) -> Client:
    return proxied.client(proxied_token)


def test_lock_calls_and_their_errors_pass_unchanged(proxied: EndpointServer, agent: Client) -> None:
    asked = [agent.fleet_lock(call, "a") for call in ("pre-reboot", "pre-reboot", "steady-state")]
    refused = proxied.client().fleet_lock("pre-reboot", "b")

    assert [(answer.status, answer.body) for answer in asked] == [(200, b"")] * 3
    assert (refused.status, refused.json["kind"]) == (401, "unauthenticated")


def test_messages_heartbeats_and_errors_pass_unchanged(proxied: EndpointServer, agent: Client) -> None:
    box = known(agent)

    assert agent.post(box.batch(box.event(), box.event())).statuses == ["accepted"] * 2
    assert (beat(agent, box, 2).status, beat(agent, box, 3).body) == (204, b"")
    assert problem(agent.raw(b"{"))[0] == 400
    assert problem(agent.raw(b" " * ((1 << 20) + 1)))[0] == 413
    assert agent.raw(b" " * (4 << 20)).status == 413  # nginx's own
    assert problem(proxied.client().post(event_batch()))[0] == 401
    assert "127.0.0.1" in proxied.journal  # the client's address and not the socket's


def test_a_certificate_is_valid_for_the_host_in_its_common_name(proxied: EndpointServer, authority: Authority) -> None:
    box, other = Outbox(), Outbox()
    agent = proxied.client(certificate=authority.sign(box.host, names="DNS:agent.example.org"))

    assert agent.post(box.batch(box.event())).statuses == ["accepted"]
    assert agent.post(other.batch(other.event())).status == 403
    assert agent.post(other.batch(other.event()), X_Client_Host_Id=other.host).status == 403


def test_a_certificate_that_nginx_cannot_read_a_host_from_needs_a_token(
    proxied: EndpointServer, authority: Authority, proxied_token: str
) -> None:
    box = Outbox()
    certificate = authority.sign("agent", names=f"URI:urn:uuid:{box.host}")

    assert proxied.client(certificate=certificate).post(box.batch(box.event())).status == 401
    assert proxied.client(proxied_token, certificate).post(box.batch(box.event())).status == 200


@pytest.mark.parametrize("header", ["X-Client-Host-Id", "x-client-host-id", "X_Client_Host_Id"])
def test_a_client_cannot_set_the_proxy_header_itself(proxied: EndpointServer, header: str) -> None:
    box = Outbox()
    head = f"GET /v1/fleet HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}: {box.host}\r\n\r\n"

    assert statuses(proxied, head.encode()) == [401]


def test_a_client_cannot_log_in_by_the_headers_of_single_sign_on(proxied: EndpointServer) -> None:
    head = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Remote-User: boss\r\nX-Remote-Groups: staff\r\n"
    through_nginx = statuses(proxied, f"{head}\r\n".encode())
    with socket.socket(socket.AF_UNIX) as direct:
        direct.connect(str(proxied.directory / "endpoint.sock"))
        direct.sendall(f"{head}\r\n".encode())
        by_proxy = direct.recv(12)

    assert (through_nginx, by_proxy) == ([303], b"HTTP/1.1 200"), "only the proxy itself is trusted"


def test_a_certificate_of_another_ca_is_rejected(proxied: EndpointServer, tmp_path: Path) -> None:
    foreign = Authority.make(tmp_path / "foreign").sign("foreign")

    assert proxied.client(certificate=foreign).get("/v1/health").status == 400


def test_slow_clients_do_not_block_others(proxied: EndpointServer, agent: Client) -> None:
    """More of them than the endpoint has threads: in the handshake, in the head, and in the body."""
    head = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n"
    context = ssl.create_default_context(cafile=str(proxied.authority.file))
    before = time.monotonic()
    with ExitStack() as stack:
        for number in range(SLOW):
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", proxied.port)))
            if number % 4 == 0:
                plain.sendall(b"\x16\x03\x01")
                continue
            slow = stack.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
            slow.sendall(head if number % 4 == 1 else head + b"\r\n{")

        found = [agent.post(event_batch()).status for _ in range(5)]

    assert found == [200] * 5
    assert time.monotonic() - before < 50


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("method", ["POST /v1/messages", "GET /v1/health"])
def test_an_ambiguous_request_smuggles_nothing(
    proxied: EndpointServer, proxied_token: str, method: str, framing: str
) -> None:
    hidden = b"0\r\n\r\n" + HEALTH
    head = (
        f"{method} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {proxied_token}\r\nContent-Type: application/json\r\n"
    )

    found = statuses(proxied, head.encode() + framing.format(length=5).encode("latin-1") + b"\r\n\r\n" + hidden)

    assert len(found) <= 1
    assert not {200, 204, 503} & set(found) or method.startswith("GET")


def test_a_bomb_is_rejected(agent: Client) -> None:
    bomb = gzip.compress(b" " * (64 << 20))

    assert agent.raw(bomb, Content_Encoding="gzip").status == 413
