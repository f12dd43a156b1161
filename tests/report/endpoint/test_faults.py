"""Each fault alone: nothing is lost, nothing is sent on to others, and `status` says what is wrong in words."""

import json
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from agent.state.store import STATE, Store
from tests.report.conftest import Between
from tests.report.installation import CHECKOUT, Sender, stored_events
from tests.support import bases
from tests.support.authority import Authority, Certificate
from tests.support.endpoint_server import Centre, free_port
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


def numbers(centre: Centre) -> list[int]:
    found = stored_events(centre.directory / "endpoint.db")
    return [body["document"]["number"] for _, _, body in found if body["type"] == "test-event"]


def test_state_and_all_events_arrive(sender: Sender, centre: Centre) -> None:
    sender.add(1200)

    first, second, third = (sender.send() for _ in range(3))

    assert [done.returncode for done in (first, second, third)] == [0, 0, 0]
    assert "500 messages delivered; more are queued" in first.stdout
    assert numbers(centre) == list(range(1200))
    assert sender.told["failing_since"] is None
    assert "complete" in centre.run("fleet").stdout


@pytest.mark.parametrize("fault", [*HANDSHAKE, *EXCHANGE])
def test_fault_is_reported_and_loses_nothing(fault: str, between: Between, centre: Centre) -> None:
    sender, proxy = between(always(fault), timeout="1s" if fault == "slow" else "20s")
    sender.add(3)

    failed = sender.send()
    told = sender.told

    assert failed.returncode == 1, failed.stdout
    assert WORDS.get(fault, "") in told["why"]
    assert told["failing_since"]
    assert sender.waiting == 4
    proxy.choose = lambda _faults: ""
    sender.configure(timeout="20s")
    assert sender.send().returncode == 0
    assert numbers(centre) == [0, 1, 2]
    assert sender.told["why"] == ""


def test_unreachable_endpoint_is_reported(sender: Sender, centre: Centre) -> None:
    centre.stop()

    assert sender.send().returncode == 1
    assert "refused" in sender.told["why"]


def test_wrong_token_loses_nothing_and_is_in_no_message(sender: Sender, tmp_path: Path) -> None:
    token = private_file(tmp_path / "wrong", "wrong-but-still-secret\n")
    sender.configure(token_file=str(token))
    sender.add(1)

    done = sender.send()

    assert done.returncode == 1
    assert "HTTP 401" in sender.told["why"]
    assert "secret" not in done.stdout + done.stderr + json.dumps(sender.told)
    assert sender.waiting == 2


@pytest.mark.parametrize("text", ["", "two words", "line\r\nX-Header: 1", "\x00", "ü"])
def test_file_without_a_token_is_reported(text: str, sender: Sender, tmp_path: Path) -> None:
    sender.configure(token_file=str(private_file(tmp_path / "wrong", text)))

    done = sender.send()

    assert done.returncode == 1
    assert "holds no token" in sender.told["why"]


def test_token_may_be_a_systemd_credential(sender: Sender, tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "token").rename(tmp_path / "credentials/endpoint-token")
    sender.configure(token_file="")

    assert sender.send(CREDENTIALS_DIRECTORY=str(tmp_path / "credentials")).returncode == 0


def show_certificate(sender: Sender, authority: Authority) -> Certificate:
    """Have the agent say who it is by a certificate, and not by a token."""
    with sender.outbox() as outbox:
        host = outbox.state.host_id
    certificate = authority.sign(str(host), names=f"URI:urn:uuid:{host}")
    sender.configure(token_file="", client_cert=str(certificate.file), client_key=str(certificate.key))
    return certificate


def test_client_certificate_replaces_a_token(sender: Sender, authority: Authority) -> None:
    show_certificate(sender, authority)

    assert sender.send().returncode == 0, sender.told


def test_missing_ca_file_is_reported(sender: Sender) -> None:
    sender.configure(ca_file="/nowhere/ca.pem")

    assert sender.send().returncode == 1
    assert sender.told["why"].startswith("/nowhere/ca.pem: cannot be read")


def test_refused_message_is_dropped_alone_and_counted(sender: Sender, centre: Centre) -> None:
    sender.add(2)
    now = datetime.now(timezone.utc)
    with sender.outbox() as outbox, outbox.transaction() as tx:
        tx.add("No Kebab!", now, {}, now)
    sender.add(2, first=2)

    assert sender.send().returncode == 0

    assert numbers(centre) == [0, 1, 2, 3]
    assert sender.told["refused"] == 1
    assert sender.waiting == 0
    assert "complete" in centre.run("fleet").stdout


def test_refused_state_is_reported_on_the_machine(sender: Sender) -> None:
    plan = json.loads((CHECKOUT / "tests/golden/plan.json").read_text())
    times = {"generated_at": "2026-11-23T05:10:00Z", "fresh_until": "2026-11-24T05:10:00Z"}
    record = {"schema": "maestro.state/1", **times, "plan": plan}
    plan["install"][0]["package"] = "x" * 5000
    store = Store(str(sender.directory / "state"))
    store.write(STATE, record)

    refused = [sender.send().returncode, sender.send().returncode]
    told = sender.told
    plan["install"][0]["package"] = "openssl"
    store.write(STATE, record)

    assert refused == [1, 1]
    assert told["why"].startswith("the endpoint refuses this machine's state: /updates/items/0")
    assert sender.send().returncode == 0
    assert sender.told["failing_since"] is None


def test_new_endpoint_gets_a_new_stream_without_a_gap(
    sender: Sender, centre: Centre, authority: Authority, tmp_path: Path
) -> None:
    sender.add(3)
    assert sender.send().returncode == 0
    (tmp_path / "other").mkdir()
    database = f"sqlite:///{tmp_path}/other/endpoint.db"
    other = Centre(directory=tmp_path / "other", authority=authority, database=database, port=free_port())
    other.configure()
    other.start()
    try:
        token = private_file(tmp_path / "other-token", other.token("--name", "tests"))
        sender.configure(port=other.port, token_file=str(token))
        sender.add(2, first=3)
        assert sender.send().returncode == 0

        assert numbers(other) == [3, 4]
        assert "complete" in other.run("fleet").stdout
        assert "complete" in centre.run("fleet").stdout
    finally:
        other.end()


def test_heartbeat_is_small_and_state_is_sent_only_after_a_change(between: Between) -> None:
    sender, proxy = between(lambda _faults: "")
    sizes = []
    for _ in range(3):
        assert sender.send().returncode == 0
        sizes.append(proxy.requests[-1][1])

    print(f"state {sizes[0]} bytes, heartbeat {sizes[-1]} bytes with headers; 288 a day {288 * sizes[-1]}")
    assert sizes[-1] < 800
    assert sizes[0] > sizes[-1]


EVENTS, KILL_EVERY, KILLS = (10_000, 4, 20) if bases.thorough() else (1000, 2, 4)
"""How many events, how many batches between two kills of the daemon and of whatever sends, and the fewest kills."""
BURST = 100


def test_events_arrive_once_and_in_order_through_faults_and_kills_of_the_daemon(
    between: Between, centre: Centre, authority: Authority
) -> None:
    sender, proxy = between(chance(0.3, seed=119), timeout="1s", burst=BURST, interval="1m")
    proxy.demand(show_certificate(sender, authority))
    kills = 0

    def kill_now_and_then(answered: int) -> None:
        nonlocal kills
        if answered % KILL_EVERY == 0 and sender.process is not None:
            kills += 1
            sender.process.kill()
            sender.kill_daemon()

    proxy.passed = kill_now_and_then
    added, rounds, began = 0, 0, time.monotonic()
    while added < EVENTS or sender.waiting:
        if added < EVENTS and rounds % 3 == 0:
            sender.add(min(700, EVENTS - added), first=added)
            added = min(added + 700, EVENTS)
        if sender.daemon is None or sender.daemon.poll() is not None:
            sender.start_daemon()
        sender.send()
        rounds += 1
        assert rounds < 2000

    found = stored_events(centre.directory / "endpoint.db")
    faults = sum(count for name, count in proxy.seen.items() if name != "none")
    share = faults / sum(proxy.seen.values())
    took = time.monotonic() - began
    print(f"{rounds} rounds, {len(proxy.requests)} requests, {kills} kills, {share:.0%} faults, {took:.0f} s")
    print(dict(proxy.seen))
    assert numbers(centre) == list(range(EVENTS))
    assert [sequence for sequence, _, _ in found] == list(range(1, len(found) + 1))
    assert len({key for _, key, _ in found}) == len(found)
    assert kills >= KILLS
    assert share >= 0.25
    assert "complete" in centre.run("fleet").stdout


@pytest.fixture
def small_disk(sender: Sender) -> Iterator[Path]:
    """Return the outbox's directory on a disk of its own that is soon full."""
    directory = sender.directory / "state/outbox"
    directory.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(directory)], check=True)
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


def fill(disk: Path) -> None:
    """Leave no room on a disk."""
    with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))


def latest_state(centre: Centre) -> tuple[int, dict[str, Any]]:
    """Return the number of the newest state or heartbeat that the endpoint has, and the newest report."""
    with sqlite3.connect(centre.directory / "endpoint.db") as connection:
        ((sequence, report),) = connection.execute(
            "SELECT latest_sequence, body FROM streams JOIN states ON states.stream = streams.id"
        ).fetchall()
    return sequence, json.loads(report)


def test_full_disk_is_reported_and_events_are_queued_later(sender: Sender, centre: Centre, small_disk: Path) -> None:
    assert sender.send().returncode == 0
    outcome = json.loads((CHECKOUT / "tests/golden/outcome.json").read_text())
    store = Store(str(sender.directory / "state"))
    ids = [f"20261123T00{number:04}Z" for number in range(150)]
    for run_id in ids:
        store.write_run(run_id, {**outcome, "id": run_id})
    full = sender.send()
    told = sender.told
    subprocess.run(["mount", "-o", "remount,size=10m", str(small_disk)], check=True)
    assert sender.send().returncode == 0

    found = stored_events(centre.directory / "endpoint.db")
    assert full.returncode == 1
    assert "full" in told["why"]
    assert [body["document"]["id"] for _, _, body in found if body["type"] == "outcome"] == ids


def test_full_disk_stops_no_state(sender: Sender, centre: Centre, small_disk: Path) -> None:
    sender.add(2)
    assert sender.send().returncode == 0
    sender.add(3, first=2)
    fill(small_disk)

    failed = [sender.send() for _ in range(3)]
    told = sender.told
    taken, report = latest_state(centre)
    (small_disk / "filler").unlink()
    mended = [sender.send().returncode for _ in range(2)]

    assert [done.returncode for done in failed] == [1, 1, 1]
    assert told["failing_since"] is not None
    assert told["last_success_at"] >= told["failing_since"]
    assert "outbox.sqlite: cannot be opened" in told["why"]
    assert report["outbox"] is None
    assert report["warnings"] == [f"events cannot be sent: {told['why']}"]
    assert taken == 4
    assert mended == [0, 0]
    assert numbers(centre) == [0, 1, 2, 3, 4]
    assert sender.told["failing_since"] is None
    assert latest_state(centre)[1]["warnings"] == []
    assert "complete" in centre.run("fleet").stdout


def test_full_disk_and_unreachable_endpoint_are_both_reported(sender: Sender, centre: Centre, small_disk: Path) -> None:
    assert sender.send().returncode == 0
    fill(small_disk)
    centre.stop()

    failed = sender.send()

    assert failed.returncode == 1
    assert "cannot be opened" in sender.told["why"]
    assert "refused" in sender.told["why"]
    assert sender.told["last_success_at"] <= sender.told["failing_since"]


def test_full_disk_before_the_first_report_is_shown_on_the_machine(
    sender: Sender, centre: Centre, small_disk: Path
) -> None:
    fill(small_disk)

    failed = sender.send()

    assert failed.returncode == 1
    assert "outbox" in sender.told["why"]
    assert sender.told["last_success_at"] is None
    assert "no host" in centre.run("fleet").stdout.lower()
