"""Client certificates: which host they are valid for, and which are rejected."""

import http.client
import socket
import ssl
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from endpoint.core.host_id import parse_host_id
from endpoint.http.auth import certified_host, peer_certificate
from tests.endpoint.conftest import MakeServer
from tests.support.authority import Authority, Certificate
from tests.support.endpoint_server import EndpointServer, free_port
from tests.support.messages import Outbox

pytestmark = pytest.mark.xdist_group("endpoint-server")
DISCONNECTS = (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)


@pytest.fixture(scope="module")
def requiring(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndpointServer]:
    """Return a server that requires client certificates."""
    directory = tmp_path_factory.mktemp("requiring")
    made = EndpointServer(
        directory=directory, authority=authority, database=f"sqlite:///{directory}/endpoint.db", port=free_port(),
        settings={"tls": {"client_ca": str(authority.file), "client_certificates": "required"}},
    )  # fmt: skip
    made.configure()
    made.start()
    yield made
    made.end()


@pytest.mark.parametrize("names", ["URI:urn:uuid:{}", "DNS:{}"])
def test_a_certificate_is_valid_for_the_host_that_it_names(
    requiring: EndpointServer, authority: Authority, names: str
) -> None:
    box, other = Outbox(), Outbox()
    agent = requiring.client(certificate=authority.sign("agent", names=names.format(box.host)))

    assert agent.post(box.batch(box.event())).statuses == ["accepted"]
    assert agent.post(other.batch(other.event())).status == 403
    assert agent.get("/v1/fleet").status == 403


def test_a_certificate_without_a_host_is_valid_for_any(requiring: EndpointServer, authority: Authority) -> None:
    box = Outbox()
    agent = requiring.client(certificate=authority.sign("fleet", names="DNS:fleet.example.org"))

    assert agent.post(box.batch(box.event())).statuses == ["accepted"]


def test_with_optional_certificates_a_token_is_enough(make_server: MakeServer, authority: Authority) -> None:
    server = make_server(tls={"client_ca": str(authority.file), "client_certificates": "optional"})
    server.start()
    box = Outbox()
    named = authority.sign(box.host, names="DNS:agent.example.org")
    token_of_another = server.token("--host", str(uuid.uuid4()))

    with_token = server.client(server.token()).post(box.batch(box.event()))
    with_certificate = server.client(certificate=named).post(box.batch(box.event()))
    with_neither = server.client().post(box.batch(box.event()))
    with_two_that_differ = server.client(token_of_another, named).post(box.batch(box.event()))

    answers = (with_token, with_certificate, with_neither, with_two_that_differ)
    assert [answer.status for answer in answers] == [200, 200, 401, 403]


def test_the_proxy_header_is_trusted_on_a_unix_socket_only(server: EndpointServer) -> None:
    box = Outbox()
    headers = {"X-Client-Host-Id": box.host}
    one, other = socket.socketpair(socket.AF_UNIX)

    assert server.client().post(box.batch(box.event()), X_Client_Host_Id=box.host).status == 401
    with one, other, socket.socket(socket.AF_INET) as tcp:
        assert peer_certificate(tcp, headers, proxy_verifies=True) is None
        assert peer_certificate(None, headers, proxy_verifies=True) is None
        assert peer_certificate(one, headers, proxy_verifies=False) is None
        assert peer_certificate(one, {"X-Client-Host-Id": "web1"}, proxy_verifies=True) is None
        found = peer_certificate(one, headers, proxy_verifies=True)
    assert found is not None
    assert certified_host(found) == box.host


def test_missing_expired_and_foreign_certificates_fail_the_handshake(
    requiring: EndpointServer, authority: Authority, tmp_path: Path
) -> None:
    expired = authority.sign("expired", expired=True)
    foreign = Authority.make(tmp_path / "foreign").sign("foreign")
    box = Outbox()
    wrong: list[Certificate | None] = [None, expired, foreign]

    for certificate in wrong:
        with pytest.raises(DISCONNECTS):
            requiring.client(requiring.token(), certificate).post(box.batch(box.event()))

    good = requiring.client(certificate=authority.sign("good"))
    assert good.post(box.batch(box.event())).status == 200
    assert "Traceback" not in requiring.journal


def test_client_certificates_need_a_ca(make_server: MakeServer) -> None:
    server = make_server(tls={"client_certificates": "required"})

    done = server.run("serve")

    assert done.returncode == 78
    assert "tls.client_certificates: needs client_ca and certificate" in done.stderr


def test_tls_before_1_2_is_rejected(server: EndpointServer) -> None:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-cipher", "ALL:@SECLEVEL=0"]

    spoken = [
        subprocess.run([*command, version], stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
        for version in ("-tls1", "-tls1_1", "-tls1_2", "-tls1_3")
    ]

    assert spoken == [False, False, True, True]


def test_a_certificate_may_name_its_host_in_several_forms() -> None:
    host = str(uuid.uuid4())
    subject = ((("commonName", "agent"),), (("organizationName", host),))

    assert parse_host_id(f"URN:UUID:{host.upper()}") == host
    assert parse_host_id(f"{host}x") is None
    assert certified_host({"subject": subject}) is None
    assert certified_host({"subject": subject, "subjectAltName": (("URI", f"urn:uuid:{host}"),)}) == host
    assert certified_host({"subject": ((("commonName", host),),)}) == host
