"""Opens the outbox file, for one process at a time: creates and migrates it, and sets a corrupt one aside.

Beside the file is the name of its stream, so that a new file's first event can name the previous stream.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from urllib.parse import quote

from agent.core.uuids import is_uuid
from agent.errors import HostError
from agent.report.outbox.outbox import Outbox, load_state, store_state
from agent.report.outbox.stream_state import StreamState
from agent.report.outbox.transaction import OutboxLimits
from agent.report.outbox.version_1 import stream_state_from_facts
from agent.state.file_lock import exclusive
from agent.state.safe_open import open_new, open_regular

OUTBOX_DIRECTORY = "outbox"
"""Below the state directory; owned by the daemon's user and private to it."""
_FILE = "outbox.sqlite"
_VERSION = 2
_STATE_TABLE = "CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), document TEXT NOT NULL);"
_TABLES = f"""
{_STATE_TABLE}
CREATE TABLE events (sequence INTEGER PRIMARY KEY, key TEXT NOT NULL, created_at TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE refusals (key TEXT PRIMARY KEY, at TEXT NOT NULL, answer TEXT NOT NULL) WITHOUT ROWID;
"""

_DAMAGE = ("no such", "already exists", "malformed", "unsupported file format", "readonly database")
"""In messages of SQLite's OperationalError, which is also that of a full disk or a locked file.

Read-only is, of a file whose mode could be set, one with a write version that SQLite does not know.
"""


class _CorruptError(Exception):
    """The file is not an intact outbox."""


@contextmanager
def open_outbox(directory: str, host_id: str, limits: OutboxLimits, now: datetime) -> Iterator[Outbox]:
    """Open the outbox for the length of the block.

    Raises:
        BusyError: another process has it open. HostError: it cannot be opened or created.
    """
    with _exclusive(directory), closing(_open_intact(directory, host_id, now, limits)) as connection:
        yield Outbox(connection, limits)


@contextmanager
def open_readonly(directory: str) -> Iterator[StreamState]:
    """Yield the stream's state from a file that can be read but not written, as on a full disk.

    Raises:
        BusyError: another process has the outbox open. HostError: the file cannot be read, or contains no stream.
    """
    path = os.path.join(directory, _FILE)
    with _exclusive(directory):
        try:
            with open(path, "rb", opener=open_regular):
                pass  # else SQLite would wait for a pipe's writer
            # Without the write-ahead log of a killed process: to read that, SQLite must create a file.
            with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro&immutable=1", uri=True)) as connection:
                state = _load_facts(connection) if _version(connection) == 1 else load_state(connection)
        except (sqlite3.Error, OSError, ValueError) as error:
            raise HostError(f"{path}: cannot be read: {error}") from error
        except HostError as error:
            raise HostError(f"{path}: {error}") from error
        if not is_uuid(state.instance_id):
            raise HostError(f"{path}: contains no stream")
        yield state


@contextmanager
def _exclusive(directory: str) -> Iterator[None]:
    """Lock other processes out for the length of the block; creates the directory where it is missing."""
    try:
        if not os.path.isdir(directory):
            os.makedirs(directory, mode=0o700)
    except OSError as error:
        raise HostError(f"{directory}: cannot be opened: {error.strerror}") from error
    with exclusive(os.path.join(directory, "lock"), busy="another process (pid {pid}) is sending reports"):
        yield


def _open_intact(directory: str, host_id: str, now: datetime, limits: OutboxLimits) -> sqlite3.Connection:
    """Return a connection to an intact file of this host's; a corrupt one, or another host's, is set aside."""
    path, name_path = os.path.join(directory, _FILE), os.path.join(directory, "instance")
    previous = _read_name(name_path)
    reason = "" if os.path.exists(path) else "missing" if previous else "new"
    try:
        try:
            connection = _connect(path)
        except _CorruptError:
            _set_aside(path)
            reason, connection = "corrupt", _connect(path)
        outbox = Outbox(connection, limits)
        started = outbox.state.instance_id
        if started and outbox.state.host_id != host_id:
            connection.close()
            _set_aside(path)
            reason, previous, connection = "other-host", started, _connect(path)
            outbox, started = Outbox(connection, limits), ""
        if not started:
            with outbox.transaction() as tx:
                reason = reason or ("missing" if previous else "new")
                tx.start_stream(host_id, now, previous=previous, reason=reason)
        if previous != outbox.state.instance_id:
            _write_name(name_path, outbox.state.instance_id)
    except (sqlite3.Error, OSError) as error:
        raise HostError(f"{path}: cannot be opened: {error}") from error
    return connection


def _connect(path: str) -> sqlite3.Connection:
    """Open the file: created where it is missing, migrated where it is of version 1.

    Raises:
        _CorruptError: it is not an intact outbox.
    """
    connection = sqlite3.connect(path, isolation_level=None, timeout=5)
    # Text that a bad disk damaged is found where it is parsed, event by event.
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    try:
        os.chmod(path, 0o600)
        connection.execute("PRAGMA auto_vacuum=FULL")  # gives the space of sent events back to the disk
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA journal_size_limit=0")
        version = _version(connection)
        if version == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={_VERSION}; COMMIT;")
        elif version == 1:
            _migrate(connection)
        if not _is_intact(connection):
            raise _CorruptError
    # ValueError: sqlite3 cannot decode its own message about a damaged schema
    except (sqlite3.Error, OSError, HostError, ValueError, _CorruptError) as error:
        connection.close()
        if _is_damage(error):
            raise _CorruptError from error
        raise
    return connection


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _migrate(connection: sqlite3.Connection) -> None:
    """Make a version 2 of a version 1, at once or not at all; events and refusals keep their tables."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        state = _load_facts(connection)
        connection.execute(_STATE_TABLE)
        store_state(connection, state)
        connection.execute("DROP TABLE facts")
        connection.execute(f"PRAGMA user_version={_VERSION}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _load_facts(connection: sqlite3.Connection) -> StreamState:
    """Read the state of a version 1."""
    facts: dict[str, object] = {}
    for name, value in connection.execute("SELECT name, value FROM facts"):
        with suppress(ValueError, TypeError, RecursionError):
            facts[str(name)] = json.loads(value)
    return stream_state_from_facts(facts)


def _is_intact(connection: sqlite3.Connection) -> bool:
    """Return whether the stream can go on: its name and last sequence are there, or neither in a new file."""
    if _version(connection) != _VERSION or connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        return False
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")
    (events,) = connection.execute("SELECT coalesce(max(sequence), 0) FROM events").fetchone()
    connection.execute("SELECT key, at, answer FROM refusals LIMIT 1")
    state = load_state(connection)
    if not state.instance_id and not state.last_sequence:
        return bool(events == 0)
    return state.last_sequence >= max(events, 1) and is_uuid(state.instance_id)


def _is_damage(error: BaseException | None) -> bool:
    """Return whether the file is corrupt; not where the disk or the permissions are at fault: the events stay then."""
    if isinstance(error, HostError):  # wraps SQLite's error, or that of the JSON parser
        return _is_damage(error.__cause__)
    if isinstance(error, sqlite3.OperationalError):
        return any(words in str(error) for words in _DAMAGE)
    return isinstance(error, _CorruptError | sqlite3.DatabaseError | ValueError | TypeError | RecursionError)


def _set_aside(path: str) -> None:
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            os.replace(f"{path}{suffix}", f"{path}.unreadable{suffix}")


def _read_name(path: str) -> str | None:
    try:
        with open(path, encoding="ascii", errors="replace", opener=open_regular) as file:
            name = file.read(64).strip()
    except OSError:
        return None
    return name if is_uuid(name) else None


def _write_name(path: str, name: str) -> None:
    temporary = f"{path}.new"
    with open(temporary, "w", encoding="ascii", opener=open_new) as file:
        file.write(f"{name}\n")
    os.replace(temporary, path)
