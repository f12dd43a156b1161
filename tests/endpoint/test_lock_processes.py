"""Two endpoint processes share one database: never more holders than slots, and no slot lost, whatever is killed."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from endpoint.store.database import Database
from endpoint.store.tables import LOCK_HOLDERS, LOCK_RELEASES, LOCK_WAITERS
from tests.endpoint.conftest import POSTGRESQL, database_url
from tests.support.authority import Authority
from tests.support.endpoint_server import EndpointServer, two_servers

CLIENTS = 10
SLOTS = 3
ROUNDS = 6
KILLS = 4
LOCKS: dict[str, Any] = {"groups": {"default": SLOTS, "other": 1}}


@pytest.fixture(scope="module", params=["sqlite", POSTGRESQL])
def kind(request: pytest.FixtureRequest) -> str:
    """Return both kinds, in a short run, too."""
    return str(request.param)


@pytest.fixture
def servers(
    kind: str, authority: Authority, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[list[EndpointServer]]:
    """Return two running servers, each with two processes, on one database."""
    url = database_url(kind, tmp_path, request)
    with two_servers(tmp_path, authority, url, {"locks": LOCKS}) as made:
        yield made


@dataclass(kw_only=True)
class Slots:
    """The slots as the clients see them."""

    inside: set[str] = field(default_factory=set)
    most: int = 0
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, client: str) -> None:
        with self.mutex:
            self.inside.add(client)
            self.most = max(self.most, len(self.inside))

    def leave(self, client: str) -> None:
        with self.mutex:
            self.inside.remove(client)


@dataclass(kw_only=True)
class Rebooter:
    """A client that takes a slot and gives it back, again and again, and asks both servers in turn."""

    name: str
    servers: list[EndpointServer]
    token: str
    slots: Slots
    granted: int = 0

    def run(self) -> None:
        for _ in range(ROUNDS):
            self._insist("pre-reboot")
            self.slots.enter(self.name)
            self.granted += 1
            time.sleep(0.02)
            self.slots.leave(self.name)
            self._insist("steady-state")

    def _insist(self, call: str) -> None:
        """Repeat a call until it succeeds; a broken connection leaves open whether it was carried out."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            for server in self.servers:
                client = server.client(self.token)
                try:
                    if client.fleet_lock(call, self.name).status == 200:
                        return
                except (OSError, HTTPException):
                    pass
                finally:
                    client.close()
                time.sleep(0.02)
        raise AssertionError(f"{self.name}: {call} never succeeded")


def rows(url: str, table: sa.Table) -> int:
    database = Database(url)
    with database.reading() as connection:
        found = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
    database.close()
    return int(found)


def test_no_slot_is_lost_or_held_twice_though_servers_are_killed(servers: list[EndpointServer]) -> None:
    slots, token = Slots(), servers[0].token()
    clients = [Rebooter(name=f"c{number}", servers=servers, token=token, slots=slots) for number in range(CLIENTS)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    for number in range(KILLS):
        time.sleep(0.7)
        servers[number % 2].kill()
        servers[number % 2].start()
    for thread in threads:
        thread.join(180)

    assert [client.granted for client in clients] == [ROUNDS] * CLIENTS
    assert slots.most <= SLOTS
    assert [rows(servers[0].database, table) for table in (LOCK_HOLDERS, LOCK_WAITERS)] == [0, 0]
    assert "Traceback" not in servers[0].journal + servers[1].journal
    client = servers[0].client(token)
    asked = [client.fleet_lock("pre-reboot", f"c{number}").status for number in range(SLOTS + 1)]
    assert asked == [200] * SLOTS + [423]


def test_both_processes_keep_one_queue(servers: list[EndpointServer]) -> None:
    token = servers[0].token()
    one, two = (server.client(token) for server in servers)
    asked = [
        one.fleet_lock("pre-reboot", "a", "other"),
        two.fleet_lock("pre-reboot", "b", "other"),
        one.fleet_lock("pre-reboot", "c", "other"),
        two.fleet_lock("steady-state", "a", "other"),
        one.fleet_lock("pre-reboot", "c", "other"),
        one.fleet_lock("pre-reboot", "b", "other"),
    ]

    assert [answer.status for answer in asked] == [200, 423, 423, 200, 423, 200]
    assert asked[4].json["kind"] == "failed_lock_queued"
    assert rows(servers[0].database, LOCK_RELEASES) == 0
