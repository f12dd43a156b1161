"""Opens the configured database for one command, with its tables."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from endpoint.config import Config, database_url
from endpoint.store.database import Database


def _step_down(url: str) -> None:
    """Give up root for whoever owns an SQLite database's directory: the service could not write what root makes."""
    try:
        place = make_url(url)
        owner = Path(place.database or "").parent.stat()
    except (ArgumentError, OSError):
        return  # opening it has more to say
    if os.geteuid() == 0 and owner.st_uid != 0 and place.get_backend_name() == "sqlite":
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)


@contextmanager
def open_database(config: Config) -> Iterator[Database]:
    """Open the database, and close it at the end.

    Raises:
        ConfigError: its URL cannot be used.
        StoreError: it does not answer.
    """
    url = database_url(config)
    _step_down(url)
    database = Database(url, connections=1)
    try:
        database.create()
        yield database
    finally:
        database.close()
