"""Brings a database to the newest revision in `migrations/versions`; a current one costs a query.

A new revision is one new file there and a new `HEAD` here. `tables.py` describes the result; a test compares the two.
"""

import importlib

import sqlalchemy as sa
from sqlalchemy.engine import Connection

HEAD = "0016"
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
    revision = None
    if sa.inspect(connection).has_table("alembic_version"):
        revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    if revision != HEAD:
        # By name: Alembic takes longer to import than a short command to run.
        importlib.import_module("endpoint.store.revisions").upgrade(connection, revision, HEAD)
