"""Connections to SQLite or PostgreSQL: durable at each commit; every failure is a `StoreError`."""

import importlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.errors import ConfigError, StoreError
from endpoint.store.migrate import migrate

Answer = TypeVar("Answer")
_BUSY_MS = 5_000
_POLL_S = 0.0005
"""SQLite polls a lock after 1, 2, 5, 10, ... ms; two writing processes would spend most of that idle."""
_CHECKPOINT_PAGES = 8000
"""After so many pages, 32 MB, SQLite copies its log to the database: pages that change often are then copied once.
Every commit is synced to the log all the same."""
_DEADLOCK = "40P01"
_POSTGRES = (
    # A role's settings must not disable durability, and nothing may wait longer than an agent does.
    "-c synchronous_commit=on -c statement_timeout=20000 -c lock_timeout=10000 "
    "-c idle_in_transaction_session_timeout=60000 "
    # To compile a query takes longer than to run any of these.
    "-c jit=off"
)


class Database:
    """An engine with explicit transactions."""

    def __init__(self, url: str, *, connections: int = 8) -> None:
        self.url = url
        try:
            self.kind = sa.engine.make_url(url).get_backend_name()
            self._engine = self._connect(connections)
            self._dialect: Any = importlib.import_module(f"sqlalchemy.dialects.{self.kind}")
            self._of_thread = threading.local()
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
            raise ConfigError(f"database.url: {error}") from error

    def _connect(self, connections: int) -> sa.engine.Engine:
        if self.kind == "sqlite":
            if sa.engine.make_url(self.url).database in {None, "", ":memory:"}:
                raise ConfigError("database.url: SQLite needs a file, as in sqlite:////PATH")
            settings: dict[str, Any] = {"connect_args": {"timeout": _BUSY_MS / 1000, "check_same_thread": False}}
        elif self.kind == "postgresql":
            settings = {
                "connect_args": {"options": _POSTGRES, "connect_timeout": 5},
                "executemany_mode": "values_plus_batch",  # one message to the server for many rows
            }
        else:
            raise ConfigError(f"database.url: neither sqlite nor postgresql but {self.kind}")
        engine = sa.create_engine(
            self.url, future=True, poolclass=sa.pool.QueuePool, pool_size=connections, max_overflow=0,
            pool_timeout=10, **settings,
        )  # fmt: skip
        if self.kind == "sqlite":
            sa.event.listen(engine, "connect", _set_up_sqlite)
            sa.event.listen(engine, "begin", _begin_sqlite)
        return engine

    def create(self) -> None:
        """Create the tables, or bring those of an older version up to date."""
        with self.writing() as connection:
            migrate(connection)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction; it is durable once the block ends without an error.

        Raises:
            StoreError: the database is unreachable, full or busy; the transaction may or may not have been committed.
        """
        joined = self._joined
        if joined is not None:
            with _store_errors():
                yield joined
            return
        with _store_errors(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a read-only snapshot that blocks no writer.

        Raises:
            StoreError: the database is unreachable or busy.
        """
        if self._joined is not None:
            with self.writing() as connection:
                yield connection
            return
        options = {"maestro_reads": True}
        if self.kind == "postgresql":
            options = {"isolation_level": "REPEATABLE READ"}  # type: ignore[dict-item]
        with _store_errors(), self._engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def write(self, work: Callable[[Connection], Answer]) -> Answer:
        """Run `work` in a transaction; retry once after a lost race or a dropped connection.

        Raises:
            StoreError: as `writing`.
        """
        if self._joined is not None:  # the whole is repeated, or nothing of it
            with self.writing() as connection:
                return work(connection)
        return _run_twice_at_most(self.writing, work, _is_transient)

    def together(self, work: Callable[[], Answer]) -> Answer:
        """Run `work`, all of whose calls of this database are one transaction; as `write` it may be run twice.

        Raises:
            StoreError: as `writing`; nothing of it was done, or all of it may have been.
        """

        def joined(connection: Connection) -> Answer:
            self._of_thread.connection = connection
            try:
                return work()
            finally:
                self._of_thread.connection = None

        return self.write(joined)

    @property
    def _joined(self) -> Connection | None:
        """The transaction that this thread has open by `together`."""
        found: Connection | None = getattr(self._of_thread, "connection", None)
        return found

    def read(self, work: Callable[[Connection], Answer]) -> Answer:
        """Run `work` in a read transaction; retry once if the pooled connection was dropped.

        Raises:
            StoreError: as `reading`.
        """
        return _run_twice_at_most(self.reading, work, _is_dropped)

    def upsert(self, table: sa.Table) -> Any:
        """Build an INSERT that replaces an existing row. Build it once: that takes longer than running it."""
        statement = self.insert(table)
        keys = [column.name for column in table.primary_key.columns]
        replaced = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
        return statement.on_conflict_do_update(index_elements=keys, set_=replaced)

    def insert_new(self, table: sa.Table) -> Any:
        """Build an INSERT that keeps an existing row."""
        return self.insert(table).on_conflict_do_nothing()

    def insert(self, table: sa.Table) -> Any:
        """Build an INSERT of this kind of database, which has `on_conflict_do_update`."""
        return self._dialect.insert(table)


def _run_twice_at_most(
    opened: Callable[[], AbstractContextManager[Connection]],
    work: Callable[[Connection], Answer],
    is_transient: Callable[[BaseException | None], bool],
) -> Answer:
    try:
        with opened() as connection:
            return work(connection)
    except StoreError as error:
        if not is_transient(error.__cause__):
            raise
    with opened() as connection:
        return work(connection)


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except (sa.exc.SQLAlchemyError, sqlite3.Error) as error:
        first_line = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        of_the_data = isinstance(error, (sa.exc.IntegrityError, sa.exc.DataError))
        raise StoreError(f"the database does not answer: {first_line}", of_the_data=of_the_data) from error


def _is_transient(error: BaseException | None) -> bool:
    if isinstance(error, sa.exc.IntegrityError):
        return True  # another process inserted the row first
    if isinstance(error, sa.exc.DBAPIError) and getattr(error.orig, "pgcode", None) == _DEADLOCK:
        return True
    return _is_dropped(error)


def _is_dropped(error: BaseException | None) -> bool:
    return isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not start transactions itself
    cursor = connection.cursor()
    for setting in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_MS}",
        f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
    ):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("maestro_reads"):
        connection.exec_driver_sql("BEGIN")
        return
    driver: Any = connection.connection
    driver.execute("PRAGMA busy_timeout=0")
    try:
        _begin_immediate(driver)
    finally:
        driver.execute(f"PRAGMA busy_timeout={_BUSY_MS}")


def _begin_immediate(driver: Any) -> None:
    """Wait for the write lock: a transaction that starts with a read could fail at its first write.

    Raises:
        sqlite3.OperationalError: another writer held the lock for 5 s, or the file cannot be used.
    """
    until = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(_POLL_S)
        else:
            return
