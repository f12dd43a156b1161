"""The client against servers of three dialects, over real sockets, with a fault on each call."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.fleet_lock.model import LockAnswer, LockPhase
from agent.core.fleet_lock.transitions import ACQUIRE_SETTLES
from agent.version import VERSION
from tests.support.lock_hosts import GROUP, Clock, LockHost
from tests.support.lock_servers import ACQUIRE, DIALECTS, FAULTS, RELEASE, LockServer, Semaphores, lock_server


@pytest.fixture(params=list(DIALECTS))
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def semaphores(dialect: str) -> Semaphores:
    return DIALECTS[dialect]({GROUP: 1})


@pytest.fixture
def server(semaphores: Semaphores) -> Iterator[LockServer]:
    with lock_server(semaphores) as served:
        yield served


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def host(tmp_path: Path, server: LockServer, clock: Clock) -> LockHost:
    return LockHost(name="host-a", directory=tmp_path / "a", url=server.url, clock=clock)


@pytest.fixture
def other(tmp_path: Path, server: LockServer, clock: Clock) -> LockHost:
    return LockHost(name="host-b", directory=tmp_path / "b", url=server.url, clock=clock)


def holders(semaphores: Semaphores) -> set[str]:
    return {client for _, client in semaphores.holders()}


def test_one_slot_goes_from_host_to_host(host: LockHost, other: LockHost, semaphores: Semaphores) -> None:
    assert host.lock().acquire("kernel").granted
    refused = other.lock().acquire("kernel")
    assert (refused.granted, refused.why) == (False, "fleet-lock")
    assert host.lock().release().granted
    assert other.lock().acquire("kernel").granted

    assert holders(semaphores) == {"host-b"}
    assert host.record.load().lock is None


def test_a_host_that_was_refused_holds_nothing_and_knows_why(host: LockHost, other: LockHost) -> None:
    host.lock().acquire("kernel")
    answer = other.lock().acquire("kernel")

    record = other.record.load()
    assert record.lock is None
    assert record.refusal is not None
    assert (record.refusal.answer, record.refusal.since) == (answer, other.clock.now)


def test_both_calls_may_be_repeated(host: LockHost, semaphores: Semaphores) -> None:
    assert host.lock().acquire("kernel").granted
    assert host.lock().acquire("kernel").granted
    assert holders(semaphores) == {"host-a"}
    assert host.lock().release().granted
    assert host.lock().release().granted
    assert not holders(semaphores)


@pytest.mark.parametrize("path", [ACQUIRE, RELEASE])
def test_a_request_is_what_the_protocol_says_and_nothing_else(host: LockHost, server: LockServer, path: str) -> None:
    host.lock().acquire("kernel")
    host.lock().release()

    headers, body = next((headers, body) for asked, headers, body in server.requests if asked == path)
    assert json.loads(body) == {"client_params": {"id": "host-a", "group": GROUP}}
    assert headers == {
        "host": server.url.removeprefix("http://"),
        "fleet-lock-protocol": "true",
        "user-agent": f"maestro-agent/{VERSION}",
        "accept-encoding": "identity",
        "content-length": str(len(body)),
    }


@pytest.mark.parametrize(("path", "phase"), [(ACQUIRE, LockPhase.INTENT), (RELEASE, LockPhase.RELEASING)])
def test_the_record_is_on_disk_before_the_request(
    host: LockHost, server: LockServer, path: str, phase: LockPhase
) -> None:
    seen = []
    server.on_request = lambda: seen.append((server.requests[-1][0], host.record.load().lock))
    host.lock().acquire("kernel")
    host.lock().release()

    found = dict(seen)[path]
    assert found is not None
    assert found.phase is phase


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_while_the_slot_is_taken_neither_grants_nor_leaks_it(
    host: LockHost, server: LockServer, semaphores: Semaphores, fault: str
) -> None:
    host.meets(server, fault)
    answer = host.lock().acquire("kernel")
    host.faults_end(server)
    host.clock.pass_by(ACQUIRE_SETTLES)
    host.lock().release_leftover(reboot_pending=False)

    assert (answer.granted, answer.why) == (False, "lock-unreachable")
    assert answer.detail
    assert not holders(semaphores)
    assert host.record.load().lock is None


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_on_both_calls_leaves_a_record_for_the_next_job(
    host: LockHost, server: LockServer, semaphores: Semaphores, fault: str
) -> None:
    host.meets(server, fault, fault)
    host.lock().acquire("kernel")
    host.faults_end(server)
    host.clock.pass_by(ACQUIRE_SETTLES)
    host.lock().release_leftover(reboot_pending=False)

    assert not holders(semaphores)
    assert host.record.load().lock is None


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_while_the_slot_is_given_back_is_made_good_by_the_next_job(
    host: LockHost, server: LockServer, semaphores: Semaphores, fault: str
) -> None:
    host.lock().acquire("kernel")
    host.meets(server, fault)
    answer = host.lock().release()
    left = host.record.load().lock
    host.faults_end(server)
    host.clock.pass_by(ACQUIRE_SETTLES)
    again = host.lock().release_leftover(reboot_pending=False)

    assert (answer.granted, answer.why) == (False, "lock-unreachable")
    assert left is not None
    assert left.phase is LockPhase.RELEASING
    assert again == LockAnswer(granted=True)
    assert not holders(semaphores)
    assert host.record.load().lock is None


@pytest.mark.parametrize("fault", FAULTS)
def test_a_slot_that_is_held_survives_a_fault_as_it_is_asked_for_again(
    host: LockHost, server: LockServer, semaphores: Semaphores, fault: str
) -> None:
    host.lock().acquire("kernel")
    host.meets(server, fault)
    answer = host.lock().acquire("kernel")

    lock = host.record.load().lock
    assert not answer.granted
    assert lock is not None
    assert lock.phase is LockPhase.HELD
    assert holders(semaphores) == {"host-a"}


def test_no_slot_is_taken_while_a_release_without_an_answer_may_still_arrive(
    host: LockHost, other: LockHost, server: LockServer, semaphores: Semaphores
) -> None:
    host.lock().acquire("kernel")
    host.meets(server, "delayed")
    host.lock().release()
    answer = host.lock().acquire("kernel")
    host.faults_end(server)

    assert (answer.granted, answer.why) == (False, "lock-unreachable")
    assert other.lock().acquire("kernel").granted
    assert holders(semaphores) == {"host-b"}
    host.clock.pass_by(timedelta(minutes=5))
    assert host.lock().acquire("kernel").why == "fleet-lock"


def test_an_address_where_nobody_listens_leaves_nothing_to_release(host: LockHost) -> None:
    host.url = "http://127.0.0.1:1"
    answer = host.lock().acquire("kernel")

    assert (answer.granted, answer.why) == (False, "lock-unreachable")
    assert host.record.load().lock is None


@pytest.mark.parametrize("fault", ["unavailable", "too-many"])
def test_the_server_may_say_when_to_ask_again(host: LockHost, server: LockServer, fault: str) -> None:
    host.meets(server, fault)

    assert host.lock().acquire("kernel").retry_after == timedelta(seconds=7)


def test_a_message_of_the_server_is_one_line_without_control_characters(host: LockHost, server: LockServer) -> None:
    server.faults = ["garbage"]

    assert host.lock().acquire("kernel").detail.isprintable()
