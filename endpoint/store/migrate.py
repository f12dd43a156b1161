"""Brings a database to the newest revision in `migrations/versions`, with Alembic.

A new revision is one new file there and a new `HEAD` here. `tables.py` describes the result; a test compares the two.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from endpoint.errors import ConfigError
from endpoint.store.backfill import backfill

HEAD = "0013"
_BACKFILLED = "0008"
"""The rows of this revision are derived from the states of older databases."""
_MIGRATIONS = Path(__file__).resolve().parent / "migrations"
_LOCK_ID = 0x6D6165
"""PostgreSQL's advisory locks are numbers; no other program in this database is likely to use this one."""


def migrate(connection: Connection) -> None:
    """Create or upgrade all tables in the connection's transaction.

    Several processes may start at once: the advisory lock lets one of them through on PostgreSQL; SQLite's transactions
    are serial from their start (`database._begin_sqlite`).

    Raises:
        ConfigError: a newer version of the program, or another program, has migrated the database.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_ID})")
    inspector, revision = sa.inspect(connection), None
    if inspector.has_table("alembic_version"):
        revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        if revision == HEAD:
            return  # so that a start costs no reading of migrations
    elif inspector.has_table("streams"):
        revision = _adopted_revision(inspector)
        command.stamp(_config(connection), revision)
    try:
        command.upgrade(_config(connection), "head")
    except CommandError as error:
        raise ConfigError(
            f"database.url: the database has revision {revision}, this version of maestro-endpoint knows those up to "
            f"{HEAD}: use the newer version, or restore a backup"
        ) from error
    if revision is not None and revision < _BACKFILLED:
        backfill(connection)


def _adopted_revision(inspector: sa.engine.Inspector) -> str:
    """Return the revision of a database made before Alembic (8f639af and earlier), by what it has."""
    return "0002" if inspector.has_table("upkeep") else "0001"


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config
