"""Opens the configured database for one command, with its tables."""

from collections.abc import Iterator
from contextlib import contextmanager

from endpoint.config import Config, database_url
from endpoint.store.database import Database


@contextmanager
def opened(config: Config) -> Iterator[Database]:
    """Open the database, and close it at the end.

    Raises:
        ConfigError: its URL cannot be used.
        StoreError: it does not answer.
    """
    database = Database(database_url(config), connections=1)
    try:
        database.create()
        yield database
    finally:
        database.close()
