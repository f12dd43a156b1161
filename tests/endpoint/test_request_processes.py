"""Two endpoints with two processes each share one database: a deployment keeps its limits, whatever is killed.

A short run has few hosts, on PostgreSQL; `make test-all` has 1,000, 50 at once, a stop after 5 failures, and both.
"""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.endpoint.conftest import POSTGRESQL, database_url
from tests.support import bases
from tests.support.authority import Authority
from tests.support.endpoint_server import Client, EndpointServer, two_servers
from tests.support.local_endpoint import run_command
from tests.support.messages import Raw
from tests.support.request_fleet import Work, WorkingHost
from tests.support.request_hosts import TAKES

HOSTS, AT_ONCE, STOP_AFTER, KILLS = (1000, 50, 5, 20) if bases.thorough() else (40, 8, 2, 2)
FAILS_EVERY = 9
THREADS = 8


KINDS = ["sqlite", POSTGRESQL] if bases.thorough() else [POSTGRESQL]


@pytest.fixture(params=KINDS)
def servers(request: pytest.FixtureRequest, authority: Authority, tmp_path: Path) -> Iterator[list[EndpointServer]]:
    """Return two running servers, each with two processes, on one database."""
    url = database_url(request.param, tmp_path, request)
    with two_servers(tmp_path, authority, url, {}) as made:
        yield made


@dataclass(kw_only=True)
class Line:
    """A thread's connections: one to each server, used in turn; a broken one is a lost response."""

    clients: list[Client]
    turn: int = 0

    def send(self, batch: Raw) -> list[Raw] | None:
        self.turn += 1
        client = self.clients[self.turn % len(self.clients)]
        try:
            answer = client.post(batch, **TAKES)
        except (OSError, HTTPException):
            client.close()
            return None
        return list(answer.json.get("requests", [])) if answer.status == 200 else None


@dataclass(kw_only=True)
class Fleet:
    """All hosts, in as many parts as there are threads."""

    servers: list[EndpointServer]
    token: str
    work: Work = field(default_factory=Work)
    failed: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hosts = [WorkingHost(work=self.work, fails=number % FAILS_EVERY == 0) for number in range(HOSTS)]

    def rounds(self, count: int, *, kills: int = 0) -> None:
        """Let each host make contact so often, while servers are killed and started again."""
        threads = [threading.Thread(target=self._part, args=(number, count)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for number in range(kills):
            time.sleep(0.4)
            self.servers[number % 2].kill()
            self.servers[number % 2].start()
        for thread in threads:
            thread.join(600)
        assert self.failed == []

    def _part(self, number: int, count: int) -> None:
        line = Line(clients=[server.client(self.token) for server in self.servers])
        try:
            for _ in range(count):
                for host in self.hosts[number::THREADS]:
                    if host.request is None or host.is_busy:
                        host.contact(line.send)
        except BaseException as error:  # noqa: BLE001 - of a thread
            self.failed.append(error)

    def until_idle(self) -> None:
        """Go on until nothing is at work; nothing new may begin forever."""
        while any(host.is_busy for host in self.hosts):
            self.rounds(1)


def show(server: EndpointServer, deployment: str) -> Raw:
    shown: Raw = json.loads(run(server, "requests", "show", deployment, "--json"))
    return shown


def run(server: EndpointServer, *arguments: str) -> str:
    """Run a command in this process."""
    done = run_command(*arguments, "--config", str(server.config))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_limits_of_a_deployment_hold_though_servers_are_killed(servers: list[EndpointServer]) -> None:
    fleet = Fleet(servers=servers, token=servers[0].token())
    fleet.rounds(2)
    arguments = ("--all", "--at-once", str(AT_ONCE), "--stop-after", str(STOP_AFTER), "--json")
    made: Raw = json.loads(run(servers[0], "request", "check", *arguments))
    identity = made["id"]

    while show(servers[1], identity)["status"] == "active":
        fleet.rounds(2, kills=KILLS // 2)
    fleet.until_idle()
    begun = len(fleet.work.runs)
    stopped = show(servers[0], identity)
    fleet.rounds(1)
    held = len(fleet.work.runs) == begun and not fleet.work.running
    fleet.work.repaired = True
    run(servers[1], "requests", "resume", identity[:8])
    fleet.rounds(2, kills=KILLS // 2)
    while any(host.request is None or host.is_busy for host in fleet.hosts):
        fleet.rounds(1)
    ended = show(servers[0], identity)

    assert len(made["requests"]) == HOSTS
    assert (stopped["status"], stopped["counts"]["failed"] >= STOP_AFTER) == ("stopped", True)
    assert held, "nothing begins while it is stopped"
    assert fleet.work.most <= AT_ONCE
    assert sorted(fleet.work.runs.values()) == [1] * HOSTS
    failed = stopped["counts"]["failed"]
    assert (ended["status"], ended["counts"]["done"], ended["counts"]["failed"]) == ("ended", HOSTS - failed, failed)
    assert "Traceback" not in servers[0].journal + servers[1].journal
