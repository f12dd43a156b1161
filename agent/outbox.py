"""What waits to be told to the centre: events until each was answered, and where the telling stands. SQLite, bounded.

Only one process at a time has it open (`Outbox.open` takes a lock). Whatever was added survives a power cut from the
moment that `add` returns: write-ahead log, synchronous=FULL (https://www.sqlite.org/pragma.html#pragma_synchronous).
An event's number is its place in the stream and never given twice; the stream's name goes with the file, so that a new
file begins a new stream.
"""

import json
import os
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType

from agent.errors import BusyError, HostError
from agent.recordlock import lock
from agent.times import moment, parse_moment

Document = dict[str, object]
EVENT_SCHEMA = "maestro.event/1"
_FILE = "outbox.sqlite"
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
    sequence INTEGER PRIMARY KEY, key TEXT NOT NULL, created_at TEXT NOT NULL, body TEXT NOT NULL, size INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS refusals (key TEXT PRIMARY KEY, at TEXT NOT NULL, answer TEXT NOT NULL) WITHOUT ROWID;
"""
_OVERHEAD_BYTES = 200
"""What SQLite and the envelope take beside an event's body, about."""
_KEPT_REFUSALS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may wait for how long before the oldest is given up, counted and told."""

    size: int
    """Bytes."""
    age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One event that was not answered yet."""

    sequence: int
    key: str
    created_at: str
    body: Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How the outbox stands."""

    events: int
    size: int
    oldest_at: str | None
    dropped: int
    refused: int
    last_sequence: int
