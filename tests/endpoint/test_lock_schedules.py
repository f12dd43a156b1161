"""The agent's client and this server: random schedules of faults and kills, on two endpoints that share one database.

The schedules, their faults and what must hold are those of tests/host/fleet_lock/test_schedules.py.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis.stateful import run_state_machine_as_test

from endpoint.store.database import Database
from endpoint.store.tables import LOCK_HOLDERS
from tests.endpoint.conftest import POSTGRESQL, database_url
from tests.host.fleet_lock.test_schedules import SCHEDULES, Fleet
from tests.support.local_endpoint import LocalClient, LocalEndpoint
from tests.support.lock_hosts import GROUP
from tests.support.lock_servers import Reply, lock_server

MOST_SCHEDULES = 3000


@dataclass(kw_only=True)
class Endpoints:
    """Endpoints that share a database; each request goes to the next one. Each schedule has a group of its own."""

    clients: Iterator[LocalClient]
    database: Database
    group: str = ""
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(MOST_SCHEDULES)))

    def of(self, slots: int) -> "Endpoints":
        return replace(self, group=f"with-{slots}.{next(self.numbers)}")

    def answer(self, path: str, body: Mapping[str, object]) -> Reply:
        params = body["client_params"]
        assert isinstance(params, dict)
        data = json.dumps({"client_params": {**params, "group": self.group}}).encode()
        headers = {"fleet_lock_protocol": "true", "Content_Encoding": "identity"}
        answer = next(self.clients).send("POST", path, data, **headers)
        kept = tuple((name, value) for name, value in answer.headers.items() if name == "Retry-After")
        kind = answer.headers.get("Content-Type", "")
        return Reply(status=answer.status, body=answer.body, content_type=kind, headers=kept)

    def holders(self) -> set[tuple[str, str]]:
        wanted = sa.select(LOCK_HOLDERS.c.client_id).where(LOCK_HOLDERS.c.group_name == self.group)
        found = self.database.read(lambda connection: connection.execute(wanted).scalars().all())
        return {(GROUP, client) for client in found}


@pytest.fixture(params=["sqlite", POSTGRESQL])
def endpoints(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Endpoints]:
    """Return two endpoints on each kind of database, in a short run, too."""
    url = database_url(request.param, tmp_path, request)
    many: dict[str, object] = {"requests_per_minute": 1_000_000, "burst": 1_000_000}
    groups = {f"with-{slots}.{number}": slots for slots in (1, 2) for number in range(MOST_SCHEDULES)}
    with ExitStack() as stack:
        made = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            endpoint = LocalEndpoint(
                directory=tmp_path / name, database=url, settings={"locks": {"groups": groups}, "limits": many}
            )
            endpoint.configure()
            endpoint.start()
            stack.callback(endpoint.end)
            stack.enter_context(endpoint.logging())
            made.append(endpoint)
        token = made[0].token()
        database = Database(url, connections=1)
        stack.callback(database.close)
        yield Endpoints(clients=itertools.cycle([endpoint.client(token) for endpoint in made]), database=database)


def test_no_schedule_breaks_the_lock_of_two_endpoints(endpoints: Endpoints) -> None:
    class Ours(Fleet):
        backend = staticmethod(endpoints.of)
        most_slots = 2

    with lock_server(endpoints.of(1)) as served:
        Ours.served = served
        run_state_machine_as_test(Ours, settings=SCHEDULES)
