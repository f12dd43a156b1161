"""Copies the database to one file while it is in use, and verifies the copy."""

import contextlib
import glob
import os
import shlex
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from endpoint.errors import ConfigError, EndpointError, StoreError, UsageError

_MARK = "alembic_version"
_STALE_S = 12 * 3600.0
"""A copy that nobody has written to for so long is of no run that goes on."""
_POSTGRES_ENV = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A verified copy."""

    file: Path
    size_bytes: int
    restore_with: str
    """The command that restores it, for people."""


def back_up(url: str, file: Path, *, replace: bool = False) -> Backup:
    """Copy the database, as of one moment, to a file that only its owner can read.

    The file appears under its name when it is complete, verified and on disk. The database is not changed, and
    connections that use it are not blocked.

    Raises:
        ConfigError: the URL is invalid.
        EndpointError: the copy is damaged, or `pg_dump` is missing or failed.
        StoreError: the database cannot be read.
        UsageError: the file exists already.
        OSError: the file cannot be written.
    """
    try:
        place = sa.engine.make_url(url)
    except sa.exc.ArgumentError as error:
        raise ConfigError(f"database.url: {error}") from error
    if file.exists() and not replace:
        raise UsageError(f"{file}: exists already; --replace overwrites it")
    with _completed(file) as partial:
        if place.get_backend_name() == "sqlite":
            _copy_sqlite(Path(place.database or ""), partial)
            _verify_sqlite(partial)
            restore = _restore_sqlite(Path(place.database or "").resolve(), file.absolute())
        else:
            _run("pg_dump", ["--format=custom", "--no-password", f"--file={partial}"], place)
            _verify_dump(partial)
            name, copy = (shlex.quote(str(one)) for one in (place.database, file.absolute()))
            restore = f"pg_restore --clean --if-exists --no-owner --single-transaction --dbname={name} {copy}"
    return Backup(file=file, size_bytes=file.stat().st_size, restore_with=restore)


def _restore_sqlite(database: Path, copy: Path) -> str:
    """Return the command, for any working directory: until the copy is on disk beside it the database is untouched.

    The log of the replaced database must not be applied to the copy, and has what the database does not have yet.
    """
    old, made, new = (shlex.quote(str(name)) for name in (database, copy, database.with_name(f"{database.name}.new")))
    owner = "-o maestro-endpoint -g maestro-endpoint -m 0600"
    put = f"install {owner} {made} {new} && sync {new} && rm -f {old}-wal {old}-shm && mv -f {new} {old}"
    return f"{put} || {{ rm -f {new}; false; }}"


@contextmanager
def _completed(file: Path) -> Iterator[Path]:
    """Return the name to write to; after the block it is synced and renamed to `file`, after an error removed."""
    _remove_stale(file)
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield partial
        for name in (partial, file.parent):
            _sync(name)
        partial.replace(file)
        _sync(file.parent)
    finally:
        _remove(partial)


def _remove(partial: Path) -> None:
    """Remove an incomplete copy, with what SQLite makes beside it."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        partial.with_name(partial.name + suffix).unlink(missing_ok=True)


def _remove_stale(file: Path) -> None:
    """Remove what runs have left that were killed, or the power was cut: it has secrets, and takes space."""
    for found in file.parent.glob(f".{glob.escape(file.name)}.[0-9]*.partial"):
        with contextlib.suppress(OSError):  # it has just got its name, or is another person's
            if time.time() - found.stat().st_mtime > _STALE_S:
                _remove(found)


def _sync(name: Path) -> None:
    opened = os.open(name, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _copy_sqlite(database: Path, copy: Path) -> None:
    if not database.is_file():
        raise StoreError(f"{database}: does not exist")
    try:
        # All pages in one step: one read transaction, which in WAL mode no writer waits for or interrupts.
        with (
            closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
            # Otherwise whoever opens the copy would create two more files beside it.
            target.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise StoreError(f"{database}: cannot be copied: {error}") from error


def _verify_sqlite(copy: Path) -> None:
    try:
        with closing(sqlite3.connect(f"{copy.resolve().as_uri()}?mode=ro", uri=True)) as opened:
            found = [str(row[0]) for row in opened.execute("PRAGMA integrity_check(3)")]
            opened.execute(f"SELECT version_num FROM {_MARK}").fetchone()  # noqa: S608 - a constant
    except sqlite3.Error as error:
        raise EndpointError(f"the copy is damaged, or no database of maestro-endpoint: {error}") from error
    if found != ["ok"]:
        raise EndpointError(f"the copy is damaged, as the database may be: {'; '.join(found)}")


def _verify_dump(copy: Path) -> None:
    listed = _run("pg_restore", ["--list", str(copy)], None)
    if f" TABLE DATA public {_MARK} " not in listed and f" {_MARK} " not in listed:
        raise EndpointError("the copy is no database of maestro-endpoint")


def _run(program: str, arguments: list[str], place: sa.engine.URL | None) -> str:
    """Run a program of PostgreSQL; the password goes through its environment, which other users cannot read."""
    settings = _connection(place) if place is not None else {}
    password = settings.pop("password", None)
    environment = {**_POSTGRES_ENV, **({"PGPASSWORD": password} if password else {})}
    target = [f"--dbname={_conninfo(settings)}"] if settings else []
    try:
        done = subprocess.run(
            [program, *target, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            errors="replace",
        )
    except FileNotFoundError as error:
        raise EndpointError(f"{program} is missing: apt-get install postgresql-client") from error
    if done.returncode:
        raise EndpointError(f"{program} failed: {' '.join(done.stderr.split())[:500]}")
    return done.stdout


def _connection(place: sa.engine.URL) -> dict[str, str]:
    """Return libpq's connection parameters of a URL."""
    names = {"username": "user", "database": "dbname"}
    found = {names.get(name, name): str(value) for name, value in place.translate_connect_args().items()}
    more = {name: value if isinstance(value, str) else ",".join(value) for name, value in place.query.items()}
    return {**found, **more}


def _conninfo(settings: Mapping[str, str]) -> str:
    """Return a connection string (libpq, "Keyword/Value Connection Strings")."""
    quoted = {name: value.replace("\\", "\\\\").replace("'", "\\'") for name, value in settings.items()}
    return " ".join(f"{name}='{value}'" for name, value in quoted.items())
