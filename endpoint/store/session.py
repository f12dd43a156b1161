"""Opens the configured database for one command, and migrates it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from endpoint.config.model import Config
from endpoint.config.read import database_url
from endpoint.store.database import Database


def _drop_root(url: str) -> None:
    """Become the owner of an SQLite database's directory: the service cannot write files that root creates."""
    try:
        place = make_url(url)
        owner = Path(place.database or "").parent.stat()
    except (ArgumentError, OSError):
        return  # opening the database reports it
    if os.geteuid() == 0 and owner.st_uid != 0 and place.get_backend_name() == "sqlite":
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)


@contextmanager
def open_database(config: Config, *, migrates: bool = True) -> Iterator[Database]:
    """Open the database for the block; with `migrates` it has the tables of this version.

    Raises:
        ConfigError: the URL is invalid.
        StoreError: the database does not answer.
    """
    url = database_url(config)
    _drop_root(url)
    database = Database(url, connections=1)
    try:
        if migrates:
            database.create()
        yield database
    finally:
        database.close()
