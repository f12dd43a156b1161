"""Runs the migrations in `migrations/versions`, with Alembic."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from endpoint import log
from endpoint.errors import ConfigError
from endpoint.store.backfill import backfill, derive_flags

MIGRATIONS = Path(__file__).resolve().parent / "migrations"
_BACKFILLED = "0008"
"""The rows of this revision are derived from the states of older databases."""
_FLAGGED = "0015"
"""By the rules of this revision the flags of hosts are derived from their states."""


def upgrade(connection: Connection, revision: str | None, head: str) -> None:
    """Create or upgrade all tables; `revision` is that of the database, if it has one, `head` the newest.

    Raises:
        ConfigError: the revision is not known.
    """
    log.set_up()  # progress is logged on standard error, also by a command that logs nothing else
    inspector = sa.inspect(connection)
    if revision is None and inspector.has_table("streams"):
        revision = _adopted_revision(inspector)
        command.stamp(_config(connection), revision)
    try:
        command.upgrade(_config(connection), "head")
    except CommandError as error:
        raise ConfigError(
            f"database.url: the database has revision {revision}, this version of maestro-endpoint knows those up to "
            f"{head}: use the newer version, or restore a backup"
        ) from error
    if revision is not None and revision < _FLAGGED:
        fill = backfill if revision < _BACKFILLED else derive_flags
        fill(connection)


def _adopted_revision(inspector: sa.engine.Inspector) -> str:
    """Return the revision of a database made before Alembic (8f639af and earlier), by what it has."""
    return "0002" if inspector.has_table("upkeep") else "0001"


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
