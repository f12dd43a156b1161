"""On PostgreSQL a function says whether a host has requests, and says what the query for SQLite says."""

import random

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

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


def fill(connection: Connection, rng: random.Random) -> None:
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
    for table, rows in ((STREAMS, hosts), (DEPLOYMENTS, deployments), (REQUESTS, requests)):
        connection.execute(table.insert(), rows)


@pytest.mark.parametrize("seed", range(5))
def test_the_function_says_what_the_query_says(seed: int, database: Database) -> None:
    with database.writing() as connection:
        fill(connection, random.Random(seed))  # noqa: S311 - reproducible on purpose
    compared = sa.select(HAS_REQUESTS, HAS_REQUESTS_ON_POSTGRESQL).order_by(STREAMS.c.host_id)

    with database.reading() as connection:
        found = [tuple(row) for row in connection.execute(compared, {"now": NOW, "silent_since": SILENT_SINCE})]

    assert [inline for inline, _ in found] == [called for _, called in found]
    assert {inline for inline, _ in found} == {True, False}


def rows_read(connection: Connection) -> tuple[int, int]:
    """Return how many rows of both tables this transaction has read one after the other, and by an index."""
    statement = (
        "SELECT sum(seq_tup_read), sum(coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
        " WHERE relname IN ('requests', 'deployments')"
    )
    whole, by_index = connection.exec_driver_sql(statement).one()
    return int(whole), int(by_index)


def test_a_plan_that_was_made_for_an_empty_queue_stays_right_when_all_hosts_get_a_request(database: Database) -> None:
    asked = f"SELECT host_has_requests('host-7', {NOW}, {SILENT_SINCE})"
    with database.reading() as connection:
        engine = connection.engine
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")

    with engine.connect() as connection, connection.begin():
        for _ in range(12):  # PostgreSQL keeps a plan after five
            connection.exec_driver_sql(asked)
        fill(connection, random.Random(1))  # noqa: S311 - reproducible on purpose
        before = rows_read(connection)
        connection.exec_driver_sql(asked)
        after = rows_read(connection)

    assert after[0] - before[0] == 0
    assert after[1] - before[1] < 20
