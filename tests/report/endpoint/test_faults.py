"""Each fault alone: nothing is lost, nothing goes to another server, and `status` names the fault."""

import json
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from agent.report.outbox.stream_state import RefusedState
from agent.state.store import STATE, Store
from tests.report.conftest import Between
from tests.report.installation import CHECKOUT, ReportingAgent, stored_events
from tests.support import bases
from tests.support.authority import Authority, Certificate
from tests.support.endpoint_server import EndpointServer, free_port
from tests.support.fault_proxy import EXCHANGE, HANDSHAKE, chance, private_file

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
WORDS = {
    "refused": "",
    "wrong-certificate": "certificate is not accepted: unable to get local issuer certificate",
    "expired-certificate": "certificate is not accepted: certificate has expired",
    "slow": "no answer within 1 seconds",
    "http-500": "HTTP 500 Oops",
    "http-503": "HTTP 503 Busy",
    "http-429-seconds": "HTTP 429 Slow down",
    "redirect": "HTTP 307 Elsewhere",
    "garbage": "no receipt for what was sent",
    "another-receipt": "no receipt for what was sent",
    "endless": "more than 1048576 bytes",
    "page-400": "HTTP 400 Bad",
}


def always(fault: str) -> Callable[[tuple[str, ...]], str]:
    return lambda faults: fault if fault in faults else ""


def numbers(endpoint: EndpointServer) -> list[int]:
    found = stored_events(endpoint.directory / "endpoint.db")
    return [body["document"]["number"] for _, _, body in found if body["type"] == "test-event"]


def test_state_and_all_events_arrive(agent: ReportingAgent, endpoint: EndpointServer) -> None:
    agent.add(1200)

    first, second, third = (agent.send() for _ in range(3))

    assert [done.returncode for done in (first, second, third)] == [0, 0, 0]
    assert "500 messages delivered; more are queued" in first.stdout
    assert numbers(endpoint) == list(range(1200))
    assert agent.endpoint_status["failing_since"] is None
    assert "complete" in endpoint.run("fleet").stdout


@pytest.mark.parametrize("fault", [*HANDSHAKE, *EXCHANGE])
def test_fault_is_reported_and_loses_nothing(fault: str, between: Between, endpoint: EndpointServer) -> None:
    agent, proxy = between(always(fault), timeout="1s" if fault == "slow" else "20s")
    agent.add(3)

    failed = agent.send()
    status = agent.endpoint_status

    assert failed.returncode == 1, failed.stdout
    assert WORDS.get(fault, "") in status["why"]
    assert status["failing_since"]
    assert agent.queued == 4
    proxy.choose = lambda _faults: ""
    agent.configure(timeout="20s")
    assert agent.send().returncode == 0
    assert numbers(endpoint) == [0, 1, 2]
    assert agent.endpoint_status["why"] == ""


def test_unreachable_endpoint_is_reported(agent: ReportingAgent, endpoint: EndpointServer) -> None:
    endpoint.stop()

    assert agent.send().returncode == 1
    assert "refused" in agent.endpoint_status["why"]


def test_wrong_token_loses_nothing_and_is_in_no_message(agent: ReportingAgent, tmp_path: Path) -> None:
    token = private_file(tmp_path / "wrong", "wrong-but-still-secret\n")
    agent.configure(token_file=str(token))
    agent.add(1)

    done = agent.send()

    assert done.returncode == 1
    assert "HTTP 401" in agent.endpoint_status["why"]
    assert "secret" not in done.stdout + done.stderr + json.dumps(agent.endpoint_status)
    assert agent.queued == 2


@pytest.mark.parametrize("text", ["", "two words", "line\r\nX-Header: 1", "\x00", "ü"])
def test_file_without_a_token_is_reported(text: str, agent: ReportingAgent, tmp_path: Path) -> None:
    agent.configure(token_file=str(private_file(tmp_path / "wrong", text)))

    done = agent.send()

    assert done.returncode == 1
    assert "holds no token" in agent.endpoint_status["why"]


def test_token_may_be_a_systemd_credential(agent: ReportingAgent, tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "token").rename(tmp_path / "credentials/endpoint-token")
    agent.configure(token_file="")

    assert agent.send(CREDENTIALS_DIRECTORY=str(tmp_path / "credentials")).returncode == 0


def show_certificate(agent: ReportingAgent, authority: Authority) -> Certificate:
    """Make the agent authenticate by certificate instead of a token."""
    with agent.outbox() as outbox:
        host = outbox.state.host_id
    certificate = authority.sign(str(host), names=f"URI:urn:uuid:{host}")
    agent.configure(token_file="", client_cert=str(certificate.file), client_key=str(certificate.key))
    return certificate


def test_client_certificate_replaces_a_token(agent: ReportingAgent, authority: Authority) -> None:
    show_certificate(agent, authority)

    assert agent.send().returncode == 0, agent.endpoint_status


def test_missing_ca_file_is_reported(agent: ReportingAgent) -> None:
    agent.configure(ca_file="/nowhere/ca.pem")

    assert agent.send().returncode == 1
    assert agent.endpoint_status["why"].startswith("/nowhere/ca.pem: cannot be read")


def test_refused_message_is_dropped_alone_and_counted(agent: ReportingAgent, endpoint: EndpointServer) -> None:
    agent.add(2)
    now = datetime.now(timezone.utc)
    with agent.outbox() as outbox, outbox.transaction() as tx:
        tx.add("No Kebab!", now, {}, now)
    agent.add(2, first=2)

    assert agent.send().returncode == 0

    assert numbers(endpoint) == [0, 1, 2, 3]
    assert agent.endpoint_status["refused"] == 1
    assert agent.queued == 0
    assert "complete" in endpoint.run("fleet").stdout


def test_refused_state_is_reported_on_the_machine(agent: ReportingAgent) -> None:
    plan = json.loads((CHECKOUT / "tests/golden/plan.json").read_text())
    times = {"generated_at": "2026-11-23T05:10:00Z", "fresh_until": "2026-11-24T05:10:00Z"}
    record = {"schema": "maestro.state/1", **times, "plan": plan}
    plan["install"][0]["package"] = "x" * 5000
    store = Store(str(agent.directory / "state"))
    store.write(STATE, record)

    refused = [agent.send().returncode, agent.send().returncode]
    status = agent.endpoint_status
    plan["install"][0]["package"] = "openssl"
    store.write(STATE, record)

    assert refused == [1, 1]
    assert status["why"].startswith("the endpoint refuses this machine's state: /updates/items/0")
    assert agent.send().returncode == 0
    assert agent.endpoint_status["failing_since"] is None


def test_new_endpoint_gets_a_new_stream_without_a_gap(
    agent: ReportingAgent, endpoint: EndpointServer, authority: Authority, tmp_path: Path
) -> None:
    agent.add(3)
    assert agent.send().returncode == 0
    (tmp_path / "other").mkdir()
    database = f"sqlite:///{tmp_path}/other/endpoint.db"
    other = EndpointServer(directory=tmp_path / "other", authority=authority, database=database, port=free_port())
    other.configure()
    other.start()
    try:
        token = private_file(tmp_path / "other-token", other.token("--name", "tests"))
        agent.configure(port=other.port, token_file=str(token))
        agent.add(2, first=3)
        soon = datetime.now(timezone.utc) + timedelta(hours=1)
        with agent.outbox() as box, box.transaction() as tx:  # what the first one refused or does not offer
            refused = RefusedState(hash=tx.state.sent_hash or "", until=soon, why="too long")
            tx.state = replace(tx.state, refused_state=refused, batches_until=soon, batch_limit=1)
        assert agent.send().returncode == 0

        assert numbers(other) == [3, 4]
        with agent.outbox() as box:
            assert (box.state.refused_state, box.state.batches_until) == (None, None)
            assert (box.state.batch_limit or 0) > 2
        assert "complete" in other.run("fleet").stdout
        assert "complete" in endpoint.run("fleet").stdout
    finally:
        other.end()


def test_heartbeat_is_small_and_state_is_sent_only_after_a_change(between: Between) -> None:
    agent, proxy = between(lambda _faults: "")
    sizes = []
    for _ in range(3):
        assert agent.send().returncode == 0
        sizes.append(proxy.requests[-1][1])

    print(f"state {sizes[0]} bytes, heartbeat {sizes[-1]} bytes with headers; 288 a day {288 * sizes[-1]}")
    assert sizes[-1] < 800
    assert sizes[0] > sizes[-1]


EVENTS, KILL_EVERY, KILLS = (10_000, 4, 20) if bases.thorough() else (1000, 2, 4)
"""Events, batches between two kills of the daemon and its exporters, and the minimum of kills."""
BURST = 100


def test_events_arrive_once_and_in_order_through_faults_and_kills_of_the_daemon(
    between: Between, endpoint: EndpointServer, authority: Authority
) -> None:
    agent, proxy = between(chance(0.3, seed=119), timeout="1s", burst=BURST, interval="1m")
    proxy.demand(show_certificate(agent, authority))
    kills = 0

    def kill_now_and_then(answered: int) -> None:
        nonlocal kills
        if answered % KILL_EVERY == 0 and agent.process is not None:
            kills += 1
            agent.process.kill()
            agent.kill_daemon()

    proxy.passed = kill_now_and_then
    added, rounds, started = 0, 0, time.monotonic()
    while added < EVENTS or agent.queued:
        if added < EVENTS and rounds % 3 == 0:
            agent.add(min(700, EVENTS - added), first=added)
            added = min(added + 700, EVENTS)
        if agent.daemon is None or agent.daemon.poll() is not None:
            agent.start_daemon()
        agent.send()
        rounds += 1
        assert rounds < 2000

    found = stored_events(endpoint.directory / "endpoint.db")
    faults = sum(count for name, count in proxy.seen.items() if name != "none")
    share = faults / sum(proxy.seen.values())
    took = time.monotonic() - started
    print(f"{rounds} rounds, {len(proxy.requests)} requests, {kills} kills, {share:.0%} faults, {took:.0f} s")
    print(dict(proxy.seen))
    assert numbers(endpoint) == list(range(EVENTS))
    assert [sequence for sequence, _, _ in found] == list(range(1, len(found) + 1))
    assert len({key for _, key, _ in found}) == len(found)
    assert kills >= KILLS
    assert share >= 0.25
    assert "complete" in endpoint.run("fleet").stdout


@pytest.fixture
def small_disk(agent: ReportingAgent) -> Iterator[Path]:
    """Return the outbox's directory, mounted on a small disk."""
    directory = agent.directory / "state/outbox"
    directory.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(directory)], check=True)
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


def fill(disk: Path) -> None:
    """Fill a disk."""
    with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))


def latest_state(endpoint: EndpointServer) -> tuple[int, dict[str, Any]]:
    """Return the sequence of the endpoint's newest state or heartbeat, and its newest report."""
    with closing(sqlite3.connect(endpoint.directory / "endpoint.db")) as connection:
        ((sequence, report),) = connection.execute(
            "SELECT latest_sequence, body FROM streams JOIN states ON states.stream = streams.id"
        ).fetchall()
    return sequence, json.loads(report)


def test_full_disk_is_reported_and_events_are_queued_later(
    agent: ReportingAgent, endpoint: EndpointServer, small_disk: Path
) -> None:
    assert agent.send().returncode == 0
    outcome = json.loads((CHECKOUT / "tests/golden/outcome.json").read_text())
    store = Store(str(agent.directory / "state"))
    ids = [f"20261123T00{number:04}Z" for number in range(150)]
    for run_id in ids:
        store.write_run(run_id, {**outcome, "id": run_id})
    full = agent.send()
    status = agent.endpoint_status
    subprocess.run(["mount", "-o", "remount,size=10m", str(small_disk)], check=True)
    assert agent.send().returncode == 0

    found = stored_events(endpoint.directory / "endpoint.db")
    assert full.returncode == 1
    assert "full" in status["why"]
    assert [body["document"]["id"] for _, _, body in found if body["type"] == "outcome"] == ids


def test_full_disk_stops_no_state(agent: ReportingAgent, endpoint: EndpointServer, small_disk: Path) -> None:
    agent.add(2)
    assert agent.send().returncode == 0
    agent.add(3, first=2)
    fill(small_disk)

    failed = [agent.send() for _ in range(3)]
    status = agent.endpoint_status
    taken, report = latest_state(endpoint)
    (small_disk / "filler").unlink()
    repaired = [agent.send().returncode for _ in range(2)]

    assert [done.returncode for done in failed] == [1, 1, 1]
    assert status["failing_since"] is not None
    assert status["last_success_at"] >= status["failing_since"]
    assert "outbox.sqlite: cannot be opened" in status["why"]
    assert report["outbox"] is None
    assert report["warnings"] == [f"events cannot be sent: {status['why']}"]
    assert taken == 4
    assert repaired == [0, 0]
    assert numbers(endpoint) == [0, 1, 2, 3, 4]
    assert agent.endpoint_status["failing_since"] is None
    assert latest_state(endpoint)[1]["warnings"] == []
    assert "complete" in endpoint.run("fleet").stdout


def test_full_disk_and_unreachable_endpoint_are_both_reported(
    agent: ReportingAgent, endpoint: EndpointServer, small_disk: Path
) -> None:
    assert agent.send().returncode == 0
    fill(small_disk)
    endpoint.stop()

    failed = agent.send()

    assert failed.returncode == 1
    assert "cannot be opened" in agent.endpoint_status["why"]
    assert "refused" in agent.endpoint_status["why"]
    assert agent.endpoint_status["last_success_at"] <= agent.endpoint_status["failing_since"]


def test_full_disk_before_the_first_report_is_shown_on_the_machine(
    agent: ReportingAgent, endpoint: EndpointServer, small_disk: Path
) -> None:
    fill(small_disk)

    failed = agent.send()

    assert failed.returncode == 1
    assert "outbox" in agent.endpoint_status["why"]
    assert agent.endpoint_status["last_success_at"] is None
    assert "no host" in endpoint.run("fleet").stdout.lower()
