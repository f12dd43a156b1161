"""No acknowledged message is lost: kills under load, a full disk, a locked database."""

import http.client
import json
import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from endpoint.store.database import Database
from tests.endpoint.conftest import MakeServer
from tests.support.authority import Authority
from tests.support.endpoint_server import Client, EndpointServer, free_port
from tests.support.messages import Outbox, Raw
from tests.support.stored_events import stored_events

KILLS = 4
SENDERS = 4
FAILS = (OSError, http.client.HTTPException)


@dataclass(slots=True, kw_only=True)
class Sender:
    """An agent that sends events in order, each until it is acknowledged."""

    server: EndpointServer
    token: str
    box: Outbox = field(default_factory=Outbox)
    acknowledged: list[str] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        agent = Client(server=self.server, token=self.token)
        while not self.ending.is_set():
            batch = [self.box.event(document={"n": number}) for number in range(3)]
            while not self._sent(agent, batch):
                time.sleep(0.02)
        agent.close()

    def _sent(self, agent: Client, batch: list[Raw]) -> bool:
        try:
            answer = agent.post(self.box.batch(*batch, self.box.heartbeat()))
        except FAILS:
            agent.close()
            return False
        if answer.status != 200:
            return False
        assert "refused" not in answer.statuses
        self.acknowledged += [message["key"] for message in batch]
        return True


def stored(server: EndpointServer, box: Outbox) -> list[tuple[int, str]]:
    database = Database(server.database)
    events = stored_events(database, box)
    database.close()
    return events


def test_acknowledged_events_survive_kills_under_load(make_server: MakeServer) -> None:
    server = make_server(server={"workers": 2, "threads": 4})
    server.start()
    token = server.token()
    senders = [Sender(server=server, token=token) for _ in range(SENDERS)]
    threads = [threading.Thread(target=sender.run) for sender in senders]
    for thread in threads:
        thread.start()

    for _ in range(KILLS):
        time.sleep(1.0)
        server.kill()
        server.start()
    time.sleep(0.5)
    for sender in senders:
        sender.ending.set()
    for thread in threads:
        thread.join(60)

    for sender in senders:
        assert [key for _, key in stored(server, sender.box)] == sender.acknowledged
        assert len(sender.acknowledged) == sender.box.events > 0
    assert server.run("gaps").stdout == "no gaps\n"
    assert "Traceback" not in server.journal


def test_events_arrive_in_order_across_a_restart(make_server: MakeServer) -> None:
    server = make_server()
    server.start()
    agent = server.client(server.token())
    box = Outbox()
    keys: list[str] = []
    for round_ in range(4):
        batch = [box.event() for _ in range(500)]
        assert set(agent.post(box.batch(*batch)).statuses) == {"accepted"}
        keys += [message["key"] for message in batch]
        if round_ == 1:
            assert server.stop() == 0
            agent.close()
            server.start()

    assert stored(server, box) == list(enumerate(keys, start=1))


def test_messages_are_accepted_after_a_full_disk(kind: str, authority: Authority, tmp_path: Path) -> None:
    if kind != "sqlite":
        pytest.skip("only SQLite's disk is the endpoint's")
    small = tmp_path / "small"
    with disk(small, "3m"):
        url = f"sqlite:///{small}/endpoint.db"
        server = EndpointServer(directory=tmp_path, authority=authority, database=url, port=free_port())
        server.configure()
        server.start()
        agent = server.client(server.token())
        box = Outbox()
        batches = [box.batch(box.event(document={"much": f"{number}" * 500_000})) for number in range(8)]

        full = [agent.post(batch).status for batch in batches]
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        again = [agent.post(batch).statuses[0] for batch in batches]

        server.hang_up()
        assert server.stop() == 0
    assert full[0] == 200
    assert full[-1] == 503
    assert again == ["duplicate" if status == 200 else "accepted" for status in full]


@contextmanager
def disk(place: Path, size: str) -> Iterator[None]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_messages_are_accepted_after_a_locked_database(make_server: MakeServer, kind: str) -> None:
    if kind != "sqlite":
        pytest.skip("of SQLite, which has one lock for all")
    server = make_server()
    server.start()
    agent = server.client(server.token())
    box = Outbox()
    assert agent.post(box.batch(box.event())).status == 200
    batch = box.batch(box.event())

    with closing(sqlite3.connect(server.directory / "endpoint.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        late = agent.post(batch)
        connection.execute("ROLLBACK")

    assert late.status == 503
    assert agent.post(batch).statuses == ["accepted"]


def test_the_same_batch_sent_concurrently_is_stored_once(make_server: MakeServer) -> None:
    server = make_server(server={"workers": 2})
    server.start()
    token = server.token()
    box = Outbox()
    batch = box.batch(*(box.event() for _ in range(50)), box.state())
    answers = []
    ready = threading.Barrier(6, timeout=60)

    def send() -> None:
        agent = Client(server=server, token=token)
        agent.connection = agent.connect()
        agent.connection.connect()
        ready.wait()
        answers.append(agent.post(batch).statuses)
        agent.close()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(set, answers), key=str) == [{"accepted"}, *[{"duplicate"}] * 5]
    assert len(stored(server, box)) == 50


def test_commits_are_synchronous(make_server: MakeServer, kind: str) -> None:
    """Checks the settings; no test here can cut the power."""
    database = Database(make_server().database)
    with database.writing() as connection:
        if kind == "sqlite":
            found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
        else:
            found = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in ("fsync", "synchronous_commit")]
    database.close()

    assert found == (["wal", 2] if kind == "sqlite" else ["on", "on"])


def test_a_worker_that_dies_is_replaced(make_server: MakeServer) -> None:
    server = make_server()
    server.start()
    token = server.token()
    box = Outbox()
    assert server.client(token).post(box.batch(box.event())).status == 200
    assert server.process is not None

    children = f"/proc/{server.process.pid}/task/{server.process.pid}/children"
    os.kill(int(Path(children).read_text().split()[0]), signal.SIGKILL)
    status, deadline = 0, time.monotonic() + 60
    while status != 200 and time.monotonic() < deadline:
        try:
            status = server.client(token).post(box.batch(box.event())).status
        except FAILS:
            time.sleep(0.2)

    assert status == 200
    assert json.loads(server.run("fleet", "--json").stdout)["hosts"]


def test_a_server_that_ends_on_its_own_says_why(make_server: MakeServer, authority: Authority) -> None:
    certificate = authority.sign("one-that-gets-damaged")
    server = make_server(tls={"certificate": str(certificate.file), "key": str(certificate.key)})
    server.start()
    assert server.process is not None
    assert server.client().get("/v1/health").status == 200  # it listens before a worker has read the certificates
    Path(certificate.key).write_text("damaged")

    for worker in psutil.Process(server.process.pid).children():
        with suppress(psutil.NoSuchProcess):  # the second one may have read them only now
            worker.kill()
    code = server.process.wait(60)
    server.process = None

    assert code != 0
    assert '"server.failed"' in server.journal
    assert "the certificates cannot be used" in server.journal
