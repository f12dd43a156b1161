"""Client certificates: whom they name, and which ones nobody believes."""

import http.client
import ssl
import subprocess
import uuid
from pathlib import Path

import pytest

from endpoint.core.host_id import parse_host_id
from endpoint.http.auth import certified_host
from tests.endpoint.conftest import Make
from tests.support.authority import Authority, Certificate
from tests.support.endpoint_server import Centre
from tests.support.messages import Outbox

HANGS_UP = (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)


def believing(make: Make, authority: Authority, how: str) -> Centre:
    centre = make(tls={"client_ca": str(authority.file), "client_certificates": how})
    centre.start()
    return centre


@pytest.mark.parametrize("names", ["URI:urn:uuid:{}", "DNS:{}"])
def test_a_certificate_speaks_for_the_host_that_it_names(make: Make, authority: Authority, names: str) -> None:
    centre = believing(make, authority, "required")
    box, other = Outbox(), Outbox()
    client = centre.client(certificate=authority.sign("agent", names=names.format(box.host)))

    assert client.post(box.batch(box.event())).statuses == ["accepted"]
    assert client.post(other.batch(other.event())).status == 403
    assert client.get("/v1/fleet").status == 403


def test_a_certificate_without_a_host_speaks_for_any(make: Make, authority: Authority) -> None:
    centre = believing(make, authority, "required")
    box = Outbox()
    client = centre.client(certificate=authority.sign("fleet", names="DNS:fleet.example.org"))

    assert client.post(box.batch(box.event())).statuses == ["accepted"]


def test_where_certificates_are_optional_a_token_will_do(make: Make, authority: Authority) -> None:
    centre = believing(make, authority, "optional")
    box = Outbox()
    named = authority.sign(box.host, names="DNS:agent.example.org")
    token_of_another = centre.token("--host", str(uuid.uuid4()))

    with_token = centre.client(centre.token()).post(box.batch(box.event()))
    with_certificate = centre.client(certificate=named).post(box.batch(box.event()))
    with_neither = centre.client().post(box.batch(box.event()))
    with_two_that_differ = centre.client(token_of_another, named).post(box.batch(box.event()))

    answers = (with_token, with_certificate, with_neither, with_two_that_differ)
    assert [answer.status for answer in answers] == [200, 200, 401, 403]


def test_missing_expired_and_foreign_certificates_end_at_the_handshake(
    make: Make, authority: Authority, tmp_path: Path
) -> None:
    centre = believing(make, authority, "required")
    expired = authority.sign("expired", expired=True)
    foreign = Authority.make(tmp_path / "foreign").sign("foreign")
    box = Outbox()
    wrong: list[Certificate | None] = [None, expired, foreign]

    for certificate in wrong:
        with pytest.raises(HANGS_UP):
            centre.client(centre.token(), certificate).post(box.batch(box.event()))

    good = centre.client(certificate=authority.sign("good"))
    assert good.post(box.batch(box.event())).status == 200
    assert "Traceback" not in centre.journal


def test_a_listener_of_the_certificate_kind_is_not_there_without_a_ca(make: Make) -> None:
    centre = make(tls={"client_certificates": "required"})

    done = centre.run("serve")

    assert done.returncode == 78
    assert "tls.client_certificates: needs client_ca and certificate" in done.stderr


def test_old_versions_of_tls_are_not_spoken(make: Make) -> None:
    centre = make()
    centre.start()
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{centre.port}", "-cipher", "ALL:@SECLEVEL=0"]

    spoken = [
        subprocess.run([*command, version], stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
        for version in ("-tls1", "-tls1_1", "-tls1_2", "-tls1_3")
    ]

    assert spoken == [False, False, True, True]


def test_a_host_is_read_from_a_name_in_any_usual_form() -> None:
    host = str(uuid.uuid4())
    subject = ((("commonName", "agent"),), (("organizationName", host),))

    assert parse_host_id(f"URN:UUID:{host.upper()}") == host
    assert parse_host_id(f"{host}x") is None
    assert certified_host({"subject": subject}) is None
    assert certified_host({"subject": subject, "subjectAltName": (("URI", f"urn:uuid:{host}"),)}) == host
    assert certified_host({"subject": ((("commonName", host),),)}) == host
