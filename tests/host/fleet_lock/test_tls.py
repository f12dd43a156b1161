"""The server's certificate is verified, and a client certificate is shown where one is configured."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.fleet_lock.transitions import ACQUIRE_SETTLES
from tests.support.authority import Authority
from tests.support.lock_hosts import GROUP, LockHost
from tests.support.lock_servers import Heathcliff, LockServer, lock_server


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("tls") / "ca")


@pytest.fixture
def semaphores() -> Heathcliff:
    return Heathcliff(slots={GROUP: 1})


@pytest.fixture(params=[False, True], ids=["server-certificate", "both-certificates"])
def both(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def server(authority: Authority, semaphores: Heathcliff, both: bool) -> Iterator[LockServer]:  # noqa: FBT001 - a fixture
    shown = authority.sign("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.file, shown.key)
    if both:
        context.load_verify_locations(authority.file)
        context.verify_mode = ssl.CERT_REQUIRED
    with lock_server(semaphores, context) as served:
        yield served


@pytest.fixture
def host(tmp_path: Path, server: LockServer) -> LockHost:
    return LockHost(name="host-a", directory=tmp_path / "a", url=server.url)


def test_a_slot_is_taken_over_tls(host: LockHost, authority: Authority, semaphores: Heathcliff) -> None:
    client = authority.sign("host-a")
    server = replace(host.server, ca_file=str(authority.file), client_cert=str(client.file), client_key=str(client.key))

    assert host.lock(server=server).acquire("kernel").granted
    assert semaphores.holders()


def test_a_certificate_of_another_authority_gets_no_request(host: LockHost, semaphores: Heathcliff) -> None:
    answer = host.lock().acquire("kernel")

    assert (answer.granted, answer.why) == (False, "lock-unreachable")
    assert "certificate" in answer.detail
    assert not semaphores.holders()
    assert host.record.load().lock is None


@pytest.mark.parametrize("both", [True], indirect=True, ids=["both-certificates"])
def test_without_the_client_certificate_nothing_is_taken_and_a_job_with_it_clears_the_record(
    host: LockHost, authority: Authority, semaphores: Heathcliff
) -> None:
    client = authority.sign("host-a")
    bare = replace(host.server, ca_file=str(authority.file))
    answer = host.lock(server=bare).acquire("kernel")
    taken = semaphores.holders()
    host.clock.pass_by(ACQUIRE_SETTLES)
    whole = replace(bare, client_cert=str(client.file), client_key=str(client.key))
    host.lock(server=whole).release_leftover(reboot_pending=False)

    assert (answer.granted, answer.why) == (False, "lock-unreachable")
    assert not taken
    assert host.record.load().lock is None
