"""On PostgreSQL a function says whether a host has requests, and says what the query for SQLite says."""

import random

import pytest
import sqlalchemy as sa

from endpoint.core.deployments import DeploymentStatus, RequestStatus
from endpoint.store.database import Database
from endpoint.store.request_statements import HAS_REQUESTS, HAS_REQUESTS_ON_POSTGRESQL
from endpoint.store.tables import DEPLOYMENTS, REQUESTS, STREAMS

pytestmark = pytest.mark.xdist_group("endpoint-postgresql")
NOW, SILENT_SINCE = 1000.0, 400.0
NEAR = (0.0, SILENT_SINCE - 1, SILENT_SINCE, SILENT_SINCE + 1, NOW - 1, NOW, NOW + 1)
HOSTS, DEPLOYED, REQUESTED = 500, 40, 750


@pytest.fixture(scope="module")
def kind() -> str:
    return "postgresql"


def fill(database: Database, rng: random.Random) -> None:
    """Fill the tables with whatever the columns can hold, so that each condition decides for some host."""
    maybe = (None, *NEAR)
    hosts = [
        {
            "host_id": f"host-{number}", "instance_id": "i", "agent_version": "1", "first_seen_at": 0.0,
            "last_seen_at": 0.0, "last_seen_slot": 0, "events": 0, "highest_event": 0, "refused": 0, "pruned_upto": 0,
        }
        for number in range(HOSTS)
    ]  # fmt: skip
    deployments = [
        {
            "id": f"deployment-{number}", "verb": "check", "arguments": "{}", "comment": "", "requested_by": "ann",
            "created_at": 0.0, "expires_at": rng.choice(NEAR[-3:]), "at_once": 1, "stop_after": 1,
            "status": rng.choice(list(DeploymentStatus)).value, "in_flight": rng.randrange(2), "failures": 0,
            "steps": "[]", "left_out": "[]", "selection": "{}",
        }
        for number in range(DEPLOYED)
    ]  # fmt: skip
    requests = [
        {
            "id": f"request-{number}", "deployment": f"deployment-{rng.randrange(DEPLOYED)}", "position": number,
            "host_id": f"host-{rng.randrange(HOSTS)}", "document": "{}",
            "status": rng.choice(list(RequestStatus)).value,
            "host_step": rng.choice([None, "received", "cancelled"]), "step": 0,
            "cancel_at": rng.choice([None, None, 1.0]), "delivered_at": rng.choice(maybe),
            "changed_at": rng.choice(NEAR), "ended_at": rng.choice([None, 1.0]),
        }
        for number in range(REQUESTED)
    ]  # fmt: skip
    with database.writing() as connection:
        for table, rows in ((STREAMS, hosts), (DEPLOYMENTS, deployments), (REQUESTS, requests)):
            connection.execute(table.insert(), rows)


@pytest.mark.parametrize("seed", range(5))
def test_the_function_says_what_the_query_says(seed: int, database: Database) -> None:
    fill(database, random.Random(seed))  # noqa: S311 - reproducible on purpose
    compared = sa.select(HAS_REQUESTS, HAS_REQUESTS_ON_POSTGRESQL).order_by(STREAMS.c.host_id)

    with database.reading() as connection:
        found = [tuple(row) for row in connection.execute(compared, {"now": NOW, "silent_since": SILENT_SINCE})]

    assert [inline for inline, _ in found] == [called for _, called in found]
    assert {inline for inline, _ in found} == {True, False}
