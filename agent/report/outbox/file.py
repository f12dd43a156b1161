"""Opens the outbox's file, one process at a time: makes it, sets a damaged one aside, begins a stream where it must.

Beside the file lies the name of its stream: a new file can so say which one came before.
"""

import os
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from urllib.parse import quote

from agent.errors import BusyError, HostError
from agent.report.outbox.outbox import Outbox, OutboxLimits
from agent.state.file_lock import holder_pid, try_lock
from agent.state.safe_open import open_new

OUTBOX_DIRECTORY = "outbox"
"""Below the record's directory; the daemon's user owns it, and nobody else looks into it."""
VOLATILE_FACTS = ("state_sequence", "told_hash", "unwanted", "batches_until")
"""The facts that change as states are told, and that are to be given to `open_readonly` the next time."""
_FILE = "outbox.sqlite"
_VERSION = 1
_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events (sequence INTEGER PRIMARY KEY, key TEXT NOT NULL, created_at TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE refusals (key TEXT PRIMARY KEY, at TEXT NOT NULL, answer TEXT NOT NULL) WITHOUT ROWID;
"""


class _CorruptError(Exception):
    """What is there is no outbox of ours."""


@contextmanager
def open_outbox(directory: str, host_id: str, bounds: OutboxLimits, now: datetime) -> Iterator[Outbox]:
    """Open the outbox for the length of the block.

    Raises:
        BusyError: another process has it open. HostError: it cannot be opened or made.
    """
    with _exclusive(directory), closing(_open_well(directory, host_id, now, bounds)) as connection:
        yield Outbox(connection, bounds)


@contextmanager
def open_readonly(directory: str, bounds: OutboxLimits, since: Mapping[str, object]) -> Iterator[Outbox]:
    """Open what the file knows of its stream, where it can be read and not written, as on a full disk; without events.

    Nothing of the block is kept: `since` are facts newer than the file, of which those of `VOLATILE_FACTS` count.

    Raises:
        BusyError: another process has the outbox open. HostError: the file cannot be read, or holds no stream.
    """
    path = os.path.join(directory, _FILE)
    with _exclusive(directory), closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
        try:
            # What a killed process had written ahead is not read: that would take a file beside this one.
            with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro&immutable=1", uri=True)) as file:
                facts = file.execute("SELECT name, value FROM facts WHERE name <> 'lost'").fetchall()
            memory.executescript(_TABLES)
            memory.executemany("INSERT INTO facts VALUES (?, ?)", facts)
            outbox = Outbox(memory, bounds)
            for name in since.keys() & set(VOLATILE_FACTS):
                outbox.keep(name, since[name])
        except (sqlite3.Error, OSError) as error:
            raise HostError(f"{path}: cannot be read: {error}") from error
        if not _is_name(outbox.instance_id):
            raise HostError(f"{path}: holds no stream")
        yield outbox


@contextmanager
def _exclusive(directory: str) -> Iterator[None]:
    """Keep other processes out of the outbox for the length of the block; makes its directory where it is missing."""
    lock_path = os.path.join(directory, "lock")
    try:
        if not os.path.isdir(directory):
            os.makedirs(directory, mode=0o700)
        descriptor = try_lock(lock_path, 0o600)
    except OSError as error:
        raise HostError(f"{directory}: cannot be opened: {error.strerror}") from error
    if descriptor is None:
        raise BusyError(f"another process (pid {holder_pid(lock_path)}) is sending reports")
    try:
        yield
    finally:
        os.close(descriptor)


def _open_well(directory: str, host_id: str, now: datetime, bounds: OutboxLimits) -> sqlite3.Connection:
    path, name_path = os.path.join(directory, _FILE), os.path.join(directory, "instance")
    previous = _read_name(name_path)
    reason = "" if os.path.exists(path) else "missing" if previous else "new"
    try:
        try:
            connection = _connect(path)
        except _CorruptError:
            _set_aside(path)
            reason, connection = "corrupt", _connect(path)
        outbox = Outbox(connection, bounds)
        begun = outbox.fact("instance_id")
        if begun is not None and outbox.fact("host_id") != host_id:
            connection.close()
            _set_aside(path)
            reason, previous, connection = "other-host", str(begun), _connect(path)
            outbox, begun = Outbox(connection, bounds), None
        if begun is None:
            with outbox.changing():
                outbox.begin(host_id, now, previous=previous, reason=reason or ("missing" if previous else "new"))
        if begun is None or previous != begun:
            _write_name(name_path, outbox.instance_id)
    except (sqlite3.Error, OSError) as error:
        raise HostError(f"{path}: cannot be opened: {error}") from error
    return connection


def _connect(path: str) -> sqlite3.Connection:
    """Open the file, made with its tables where it is new.

    Raises:
        _DamagedError: it is no outbox.
    """
    connection = sqlite3.connect(path, isolation_level=None, timeout=5)
    # What a bad disk made of a text is found where it is read, one by one.
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    try:
        os.chmod(path, 0o600)
        connection.execute("PRAGMA auto_vacuum=FULL")  # what was sent gives its place back to the disk
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA journal_size_limit=0")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={_VERSION}; COMMIT;")
        if not _is_well(connection):
            raise _CorruptError
    except (sqlite3.Error, OSError, HostError, _CorruptError) as error:
        connection.close()
        if _is_damage(error):
            raise _CorruptError from error
        raise
    return connection


def _is_well(connection: sqlite3.Connection) -> bool:
    """Whether all that a stream stands on is there: its name and its last number, or neither in a new file."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != _VERSION or connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        return False
    outbox = Outbox(connection, OutboxLimits(size=0, age=timedelta(0)))
    (events,) = connection.execute("SELECT coalesce(max(sequence), 0) FROM events").fetchone()
    connection.execute("SELECT key, at, answer FROM refusals LIMIT 1")
    name, last = outbox.fact("instance_id"), outbox.fact("last_sequence")
    if name is None and last is None:
        return bool(events == 0)
    return isinstance(last, int) and last >= max(events, 1) and isinstance(name, str) and _is_name(name)


def _is_name(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _is_damage(error: BaseException | None) -> bool:
    """Whether it is the file that is wrong, and not the disk or the rights: then what waits, waits on."""
    if isinstance(error, _CorruptError):
        return True
    if isinstance(error, HostError):  # what an outbox makes of SQLite's own
        return _is_damage(error.__cause__)
    if isinstance(error, sqlite3.OperationalError):
        return "no such" in str(error) or "already exists" in str(error) or "malformed" in str(error)
    return isinstance(error, sqlite3.DatabaseError)


def _set_aside(path: str) -> None:
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            os.replace(f"{path}{suffix}", f"{path}.unreadable{suffix}")


def _read_name(path: str) -> str | None:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return str(uuid.UUID(file.read(64).strip()))
    except (OSError, ValueError):
        return None


def _write_name(path: str, name: str) -> None:
    temporary = f"{path}.new"
    with open(temporary, "w", encoding="ascii", opener=open_new) as file:
        file.write(f"{name}\n")
    os.replace(temporary, path)
