"""Nothing that was acknowledged is ever lost: killed under load, the database gone, the disk full."""

import http.client
import json
import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from endpoint.store.database import Database
from endpoint.store.queries import FleetQueries
from tests.endpoint.conftest import Make
from tests.support.authority import Authority
from tests.support.endpoint_server import Centre, Client, free_port
from tests.support.messages import Outbox, Raw
from tests.support.postgres import Cluster

KILLS = 4
SENDERS = 4
FAILS = (OSError, http.client.HTTPException)


@dataclass(slots=True, kw_only=True)
class Sender:
    """An agent that sends events in order, each until it is acknowledged."""

    centre: Centre
    token: str
    box: Outbox = field(default_factory=Outbox)
    acknowledged: list[str] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        client = Client(centre=self.centre, token=self.token)
        while not self.ending.is_set():
            batch = [self.box.event(document={"n": number}) for number in range(3)]
            while not self._sent(client, batch):
                time.sleep(0.02)
        client.close()

    def _sent(self, client: Client, batch: list[Raw]) -> bool:
        try:
            answer = client.post(self.box.batch(*batch, self.box.heartbeat()))
        except FAILS:
            client.close()
            return False
        if answer.status != 200:
            return False
        assert "refused" not in answer.statuses
        self.acknowledged += [message["key"] for message in batch]
        return True


def stored(centre: Centre, box: Outbox) -> list[tuple[int, str]]:
    database = Database(centre.database)
    events = FleetQueries(database).events(box.host, box.instance)
    database.close()
    return [(event.sequence, event.key) for event in events]


def test_killed_under_load_it_keeps_all_that_it_acknowledged(make: Make) -> None:
    centre = make(server={"workers": 2, "threads": 4})
    centre.start()
    token = centre.token()
    senders = [Sender(centre=centre, token=token) for _ in range(SENDERS)]
    threads = [threading.Thread(target=sender.run) for sender in senders]
    for thread in threads:
        thread.start()

    for _ in range(KILLS):
        time.sleep(1.0)
        centre.kill()
        centre.start()
    time.sleep(0.5)
    for sender in senders:
        sender.ending.set()
    for thread in threads:
        thread.join(60)

    for sender in senders:
        assert [key for _, key in stored(centre, sender.box)] == sender.acknowledged
        assert len(sender.acknowledged) == sender.box.events > 0
    assert centre.run("gaps").stdout == "no gaps\n"
    assert "Traceback" not in centre.journal


def test_many_events_arrive_in_order_when_it_is_asked_to_stop_and_go_on(make: Make) -> None:
    centre = make()
    centre.start()
    client = centre.client(centre.token())
    box = Outbox()
    keys: list[str] = []
    for round_ in range(4):
        batch = [box.event() for _ in range(500)]
        assert set(client.post(box.batch(*batch)).statuses) == {"accepted"}
        keys += [message["key"] for message in batch]
        if round_ == 1:
            assert centre.stop() == 0
            client.close()
            centre.start()

    assert stored(centre, box) == list(enumerate(keys, start=1))


def test_with_the_database_gone_agents_are_asked_to_come_again(make: Make, kind: str, postgres: Cluster) -> None:
    if kind == "sqlite":
        pytest.skip("SQLite is a file")
    centre = make()
    centre.start()
    client = centre.client(centre.token())
    box = Outbox()
    first, second = box.event(), box.event()
    assert client.post(box.batch(first)).status == 200

    postgres.stop("immediate")
    gone = [client.post(box.batch(second)), client.get("/v1/health")]
    postgres.start()
    back = client.post(box.batch(first, second))

    assert [answer.status for answer in gone] == [503, 503]
    assert int(gone[0].headers["Retry-After"]) > 0
    assert back.statuses == ["duplicate", "accepted"]
    assert client.get("/v1/health").status == 200


def test_what_is_asked_after_the_database_was_restarted_is_answered(make: Make, kind: str, postgres: Cluster) -> None:
    if kind == "sqlite":
        pytest.skip("SQLite is a file")
    centre = make()
    centre.start()
    token, admin = centre.token(), centre.token("--admin")
    box = Outbox()
    asking: list[Callable[[], int]] = [
        lambda: centre.client(centre_token(centre)).post(box.batch(box.event())).status,
        lambda: centre.client(admin).get("/v1/fleet").status,
        lambda: centre.client().get("/v1/health").status,
        lambda: centre.client(token).post(box.batch(box.event())).status,
    ]

    found = []
    for ask in asking:
        assert centre.client(token).post(box.batch(box.event())).status == 200
        postgres.stop("fast")
        postgres.start()
        found.append(ask())

    assert found == [200] * len(asking)


def centre_token(centre: Centre) -> str:
    return centre.token("--name", "never seen before")


def test_a_full_disk_refuses_nobody_for_good(kind: str, authority: Authority, tmp_path: Path) -> None:
    if kind != "sqlite":
        pytest.skip("PostgreSQL's disk is its own affair")
    small = tmp_path / "small"
    with disk(small, "3m"):
        url = f"sqlite:///{small}/endpoint.db"
        centre = Centre(directory=tmp_path, authority=authority, database=url, port=free_port())
        centre.configure()
        centre.start()
        client = centre.client(centre.token())
        box = Outbox()
        batches = [box.batch(box.event(document={"much": f"{number}" * 500_000})) for number in range(8)]

        full = [client.post(batch).status for batch in batches]
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        again = [client.post(batch).statuses[0] for batch in batches]

        centre.hang_up()
        assert centre.stop() == 0
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


def test_a_database_that_somebody_keeps_busy_refuses_nobody_for_good(make: Make, kind: str) -> None:
    if kind != "sqlite":
        pytest.skip("of SQLite, which has one lock for all")
    centre = make()
    centre.start()
    client = centre.client(centre.token())
    box = Outbox()
    assert client.post(box.batch(box.event())).status == 200
    batch = box.batch(box.event())

    with closing(sqlite3.connect(centre.directory / "endpoint.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        late = client.post(batch)
        connection.execute("ROLLBACK")

    assert late.status == 503
    assert client.post(batch).statuses == ["accepted"]


def test_two_that_send_the_same_at_once_store_it_once(make: Make) -> None:
    centre = make(server={"workers": 2})
    centre.start()
    token = centre.token()
    box = Outbox()
    batch = box.batch(*(box.event() for _ in range(50)), box.state())
    answers = []
    ready = threading.Barrier(6)

    def send() -> None:
        client = Client(centre=centre, token=token)
        client.connection = client.connect()
        client.connection.connect()
        ready.wait()
        answers.append(client.post(batch).statuses)
        client.close()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(set, answers), key=str) == [{"accepted"}, *[{"duplicate"}] * 5]
    assert len(stored(centre, box)) == 50


def test_commits_wait_for_the_disk(make: Make, kind: str) -> None:
    """What the setting is, for no test here can cut the power."""
    database = Database(make().database)
    with database.writing() as connection:
        if kind == "sqlite":
            found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
        else:
            found = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in ("fsync", "synchronous_commit")]
    database.close()

    assert found == (["wal", 2] if kind == "sqlite" else ["on", "on"])


def test_a_worker_that_dies_is_replaced(make: Make) -> None:
    centre = make()
    centre.start()
    token = centre.token()
    box = Outbox()
    assert centre.client(token).post(box.batch(box.event())).status == 200
    assert centre.process is not None

    children = f"/proc/{centre.process.pid}/task/{centre.process.pid}/children"
    os.kill(int(Path(children).read_text().split()[0]), signal.SIGKILL)
    status, deadline = 0, time.monotonic() + 20
    while status != 200 and time.monotonic() < deadline:
        try:
            status = centre.client(token).post(box.batch(box.event())).status
        except FAILS:
            time.sleep(0.2)

    assert status == 200
    assert json.loads(centre.run("fleet", "--json").stdout)["hosts"]
