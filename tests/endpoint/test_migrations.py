"""Databases of older versions are upgraded with all that is in them, and a new one is what the store describes."""

import importlib
import pkgutil
import threading

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from endpoint import store
from endpoint.errors import ConfigError
from endpoint.store import migrate
from endpoint.store.database import Database
from endpoint.store.tables import METADATA, STREAMS, seen_slot
from tests.endpoint.conftest import CHECKOUT
from tests.endpoint.test_retention import DAY, KEPT, NOW, prune, put, statuses
from tests.support.messages import Outbox

for _module in pkgutil.iter_modules(store.__path__, "endpoint.store."):  # several of them describe tables
    importlib.import_module(_module.name)
STREAMS_OF_THE_FIRST_VERSION = """
CREATE TABLE streams (
    id {serial} NOT NULL PRIMARY KEY, host_id VARCHAR(36) NOT NULL, instance_id VARCHAR(36) NOT NULL,
    agent_version VARCHAR(64) NOT NULL, first_seen_at FLOAT NOT NULL, last_seen_at FLOAT NOT NULL,
    latest_sequence BIGINT,
    latest_key VARCHAR(64), latest_digest VARCHAR(64), state_hash VARCHAR(16), events BIGINT NOT NULL,
    highest_event BIGINT NOT NULL, refused BIGINT NOT NULL, UNIQUE (host_id, instance_id)
)"""
TABLES = """
CREATE TABLE states (
    stream INTEGER NOT NULL PRIMARY KEY REFERENCES streams (id), received_at FLOAT NOT NULL, body TEXT NOT NULL
);
CREATE TABLE events (
    stream INTEGER NOT NULL REFERENCES streams (id), sequence BIGINT NOT NULL, key VARCHAR(64) NOT NULL,
    digest VARCHAR(64) NOT NULL, type VARCHAR(64) NOT NULL, created_at VARCHAR(32) NOT NULL, received_at FLOAT NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (stream, sequence), UNIQUE (stream, key)
);
CREATE TABLE losses (
    stream INTEGER NOT NULL REFERENCES streams (id), sequence BIGINT NOT NULL, first_sequence BIGINT NOT NULL,
    last_sequence BIGINT NOT NULL, reason VARCHAR(64) NOT NULL, PRIMARY KEY (stream, sequence)
);
CREATE TABLE refusals (
    stream INTEGER NOT NULL REFERENCES streams (id), sequence BIGINT NOT NULL, key VARCHAR(64) NOT NULL,
    detail TEXT NOT NULL, received_at FLOAT NOT NULL, PRIMARY KEY (stream, sequence)
);
CREATE TABLE tokens (
    id VARCHAR(16) NOT NULL PRIMARY KEY, digest VARCHAR(64) NOT NULL, role VARCHAR(16) NOT NULL,
    name VARCHAR(256) NOT NULL,
    host_id VARCHAR(36), created_at FLOAT NOT NULL, revoked_at FLOAT
)"""
OF_8F639AF = """
ALTER TABLE streams ADD COLUMN pruned_upto BIGINT DEFAULT '0' NOT NULL;
CREATE TABLE upkeep (id INTEGER NOT NULL PRIMARY KEY, due_at FLOAT NOT NULL)"""
"""What came after the first version; both wrote no `alembic_version`."""


def build(database: Database, tables: str, filled_from: Database) -> None:
    """Create the tables as an older version did, with the rows that a newer database holds."""
    with database.writing() as connection, filled_from.reading() as source:
        serial = "SERIAL" if database.kind == "postgresql" else "INTEGER"
        for statement in f"{STREAMS_OF_THE_FIRST_VERSION};{tables}".format(serial=serial).split(";"):
            connection.exec_driver_sql(statement)
        for table in METADATA.sorted_tables:
            if sa.inspect(connection).has_table(table.name):
                names = [column["name"] for column in sa.inspect(connection).get_columns(table.name)]
                for row in source.execute(sa.select(*(table.c[name] for name in names))):
                    connection.execute(table.insert(), dict(row._mapping))  # noqa: SLF001 - its public name


def empty(database: Database) -> None:
    with database.writing() as connection:
        found = sa.MetaData()
        found.reflect(connection)
        found.drop_all(connection)


@pytest.mark.parametrize("tables", [TABLES, f"{TABLES};{OF_8F639AF}"], ids=["first", "8f639af"])
def test_a_database_of_an_older_version_is_upgraded_with_all_that_is_in_it(
    tables: str, database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    box, newer = Outbox(), Database(f"sqlite:///{tmp_path_factory.mktemp('newer')}/endpoint.db")
    event = box.event()
    newer.create()
    put(newer, box, NOW - KEPT - DAY, event, box.state())
    empty(database)
    build(database, tables, newer)
    newer.close()

    at_once = [Database(database.url) for _ in range(4)]
    threads = [threading.Thread(target=one.create) for one in at_once]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in at_once:
        one.create()
        one.close()
    with database.reading() as connection:
        stream = connection.execute(sa.select(STREAMS)).one()
    again = put(database, box, NOW, event, box.event(), box.heartbeat())

    assert statuses(again) == ["duplicate", "accepted", "accepted"]
    assert not again.resend_state
    assert stream.last_seen_slot == seen_slot(stream.last_seen_at)
    assert prune(database) == 1
    assert differences(database) == []


def test_a_database_of_a_newer_version_is_left_alone_with_a_message(database: Database) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(
        ConfigError, match=f"has revision 9999, .*knows those up to {migrate.HEAD}: use the newer version"
    ):
        database.create()

    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "9999"


def test_a_new_database_is_as_described(database: Database) -> None:
    assert differences(database) == []


def differences(database: Database) -> list[object]:
    with database.writing() as connection:
        found: list[object] = compare_metadata(MigrationContext.configure(connection), METADATA)
    return found


def test_processes_that_start_at_once_on_an_empty_database_do_not_clash(database: Database) -> None:
    empty(database)
    failed: list[BaseException] = []

    def create() -> None:
        one = Database(database.url)
        try:
            one.create()
        except Exception as error:  # noqa: BLE001 - any of them is one too many
            failed.append(error)
        one.close()

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert differences(database) == []


def test_head_is_the_newest_revision_and_the_package_holds_all_of_them() -> None:
    folder = CHECKOUT / "endpoint/store/migrations"

    assert ScriptDirectory(str(folder)).get_heads() == [migrate.HEAD]
    assert "find endpoint -type f '(' -name '*.py' -o" in (CHECKOUT / "Makefile").read_text()
    assert {path.suffix for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts} == {".py"}
