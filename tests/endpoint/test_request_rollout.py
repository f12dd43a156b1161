"""1,000 simulated hosts, 50 at once, stop after 5 failures: two endpoints on one database, with lost responses.

Everything is the real store and the real events; only HTTP is left out (test_request_processes.py has it).
"""

import json
import random
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from endpoint.core.deploy.new_deployment import NewRequest
from endpoint.core.deployment_report import DeploymentRecord
from endpoint.core.deployments import IN_FLIGHT
from endpoint.core.messages import Batch, read_message
from endpoint.store.database import Database
from endpoint.store.deployments import Actor, DeploymentStore
from endpoint.store.ingest import Ingest
from endpoint.store.request_queries import RequestQueries
from endpoint.store.tables import DEPLOYMENTS, REQUESTS
from tests.endpoint.conftest import database_url
from tests.support.messages import Raw
from tests.support.request_fleet import Work, WorkingHost

HOSTS, AT_ONCE, STOP_AFTER = 1000, 50, 5
FAILS_EVERY = 23
LOST = 0.05
NOW = datetime(2026, 11, 29, 15, 0, tzinfo=timezone.utc)
DEPLOYMENT = "d0000000-0000-4000-8000-000000000000"


@dataclass(kw_only=True)
class Fleet:
    """All hosts; each contact goes to one of the endpoints, and some responses are lost."""

    chance: random.Random
    endpoints: list[Ingest]
    work: Work = field(default_factory=Work)
    hosts: list[WorkingHost] = field(default_factory=list)

    def round(self) -> None:
        """Let those at work report, and some of the others."""
        idle = [host for host in self.hosts if host.request is None]
        busy = [host for host in self.hosts if host.is_busy]
        for host in [*busy, *self.chance.sample(idle, min(len(idle), AT_ONCE // 2))]:
            host.contact(self.send)

    def send(self, raw: Raw) -> list[Raw] | None:
        batch = Batch(
            host_id=raw["host_id"],
            instance_id=raw["instance_id"],
            agent_version=raw["agent_version"],
            messages=tuple(read_message(message, None) for message in raw["messages"]),
        )
        found = self.chance.choice(self.endpoints).put(batch, NOW, takes_requests=True)
        return None if self.chance.random() < LOST else [dict(one) for one in found.delivery.requests]

    @property
    def begun(self) -> set[WorkingHost]:
        return {host for host in self.hosts if host.request is not None}


@pytest.fixture
def database(kind: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Return an empty database in memory: no test here cuts the power, and there are thousands of commits."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        made = Database(database_url(kind, Path(directory), request))
        made.create()
        yield made
        made.close()


@pytest.fixture
def fleet(database: Database) -> Iterator[Fleet]:
    """Return hosts that have all reported once, to two endpoints on one database."""
    with ExitStack() as stack:
        other = Database(database.url)
        stack.callback(other.close)
        chance = random.Random(16)  # noqa: S311 - a reproducible schedule
        made = Fleet(chance=chance, endpoints=[Ingest(database), Ingest(other)])
        made.hosts = [WorkingHost(work=made.work, fails=number % FAILS_EVERY == 0) for number in range(HOSTS)]
        for host in made.hosts:
            host.contact(made.send)
        yield made


def deploy(database: Database, fleet: Fleet) -> DeploymentStore:
    record = DeploymentRecord(
        id=DEPLOYMENT, verb="check", arguments={}, plan_id=None, comment="", requested_by="anna",
        created_s=NOW.timestamp(), expires_s=(NOW + timedelta(days=1)).timestamp(), at_once=AT_ONCE,
        stop_after=STOP_AFTER,
    )  # fmt: skip
    requests = [
        NewRequest(
            id=f"{number:08}-0000-4000-8000-000000000000",
            host_id=host.box.host,
            form=json.dumps({"id": f"{number:08}-0000-4000-8000-000000000000", "host_id": host.box.host}),
            signature=None,
        )
        for number, host in enumerate(fleet.hosts)
    ]
    store = DeploymentStore(database)
    store.create(record, requests)
    return store


def counts(database: Database) -> dict[str, int]:
    ((_, found),) = RequestQueries(database).list()
    return {status.value: count for status, count in found.items()}


def counters(database: Database) -> tuple[str, int, int]:
    row = database.read(lambda connection: connection.execute(sa.select(DEPLOYMENTS)).one())
    flying = sa.select(sa.func.count()).where(REQUESTS.c.status.in_([status.value for status in IN_FLIGHT]))
    assert database.read(lambda connection: connection.execute(flying).scalar()) == row.in_flight
    return row.status, row.in_flight, row.failures


def test_never_more_than_the_limit_run_and_the_fifth_failure_stops_all_until_a_person_resumes(
    database: Database, fleet: Fleet
) -> None:
    store = deploy(database, fleet)
    in_flight = []
    while counters(database)[0] == "active":
        fleet.round()
        in_flight.append(counters(database)[1])
    stopped_with = counts(database)
    begun = fleet.begun
    for _ in range(20):
        fleet.round()

    after, idle = counts(database), fleet.begun == begun
    fleet.work.repaired = True
    store.resume(DEPLOYMENT, Actor(name="anna", at=NOW))
    while len(fleet.work.runs) < HOSTS or any(host.pending for host in fleet.hosts):
        fleet.round()

    assert max(in_flight) == AT_ONCE
    assert idle, "nothing begins while it is stopped"
    _, _, actions = RequestQueries(database).show(DEPLOYMENT)
    assert [one.detail for one in actions if one.action == "stopped"] == [f"failed: {STOP_AFTER}"], "at the fifth"
    assert stopped_with["failed"] >= STOP_AFTER
    assert after["failed"] == sum(host.fails for host in begun)
    assert fleet.work.most <= AT_ONCE
    assert set(fleet.work.runs.values()) == {1}
    assert len(fleet.work.runs) == HOSTS
    assert counters(database) == ("active", 0, 0)
    assert counts(database) == {"done": HOSTS - after["failed"], "failed": after["failed"]}
