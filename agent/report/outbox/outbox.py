"""What waits to be told to the centre: events until each was answered, and where the telling stands. SQLite, bounded.

Only one process at a time has it open (`opened` takes a lock). Whatever was added survives a power cut from the moment
that the block of `changing` has ended: write-ahead log, synchronous=FULL (https://www.sqlite.org/pragma.html). An
event's number is its place in the stream and never given twice; the stream's name goes with the file, so that a new
file begins a new stream.
"""

import json
import math
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agent.core.schemas import EVENT_SCHEMA
from agent.errors import HostError
from agent.state.timestamps import format_utc, minus_clamped, parse_utc_or_none

MESSAGES_LOST = "messages-lost"
OVERHEAD_BYTES = 250
"""What SQLite and the envelope take beside an event's body, about."""
_LEAP = timedelta(days=1)
"""Nobody looks for so long: the clock was set ahead, or the machine was off."""
_KEPT_REFUSALS = 100
_NO_SEQUENCE = {"first_sequence": 1, "last_sequence": 1}
"""Names the event that a stream begins with, which arrives: it stands for none."""
_LONGEST_ANSWER = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxLimits:
    """How much may wait for how long before the oldest is given up, counted and told."""

    size: int
    """Bytes."""
    age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedEvent:
    """One event that was not answered yet."""

    sequence: int
    key: str
    created_at: str
    body: str
    """`maestro.event/1`, as it was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStats:
    """How the outbox stands."""

    events: int
    size: int
    oldest_at: str | None
    dropped: int
    refused: int
    last_sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedMessage:
    """A message that the centre does not want, and what it said."""

    key: str
    at: str
    answer: str


class Outbox:
    """One open outbox."""

    def __init__(self, connection: sqlite3.Connection, bounds: OutboxLimits) -> None:
        """Take a connection to a file that is well (`agent.report.outbox.file`)."""
        self._sql = connection
        self._bounds = bounds

    @property
    def instance_id(self) -> str:
        """The stream's name."""
        return str(self.fact("instance_id"))

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Make all changes of the block or none; after it they are on the disk.

        Raises:
            HostError: they cannot be written (a full disk).
        """
        try:
            self._sql.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._sql.execute("COMMIT")
            finally:
                if self._sql.in_transaction:
                    self._sql.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise HostError(f"the outbox cannot be written: {error}") from error

    def fact(self, name: str) -> object:
        """Return what is remembered under a name; None where nothing is, or nothing that can be read."""
        row = self._one("SELECT value FROM facts WHERE name = ?", name)
        try:
            return None if row is None else json.loads(str(row[0]))
        except ValueError:
            return None

    def keep(self, name: str, value: object) -> None:
        """Remember a value of JSON under a name."""
        self._sql.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    def add(self, kind: str, at: datetime, document: Mapping[str, object], now: datetime) -> None:
        """Have an event wait; `shrink` is to follow."""
        self._append(format_utc(now), _event(kind, at, document))

    def _append(self, created_at: str, body: str) -> None:
        sequence = self._count("last_sequence") + 1
        row = (sequence, f"e-{uuid.uuid4().hex}", created_at, body)
        self._sql.execute("INSERT INTO events VALUES (?, ?, ?, ?)", row)
        self.keep("last_sequence", sequence)

    def shrink(self, now: datetime) -> None:
        """Give up what is too old or too much, the oldest first; that it was lost is remembered."""
        oldest = format_utc(minus_clamped(now, self._bounds.age))
        one = "SELECT sequence, body FROM events {} ORDER BY sequence LIMIT 1"  # together they may not fit into memory
        ages = self._ages(now)
        while ages and (row := self._one(one.format("WHERE created_at < ?"), oldest)):
            self.give_up(int(str(row[0])), str(row[1]), "too-old")
        excess = self.depth().size - self._bounds.size
        while excess > 0 and (row := self._one(one.format(""))):
            self.give_up(int(str(row[0])), str(row[1]), "too-many-bytes")
            excess -= len(str(row[1])) + OVERHEAD_BYTES

    def _ages(self, now: datetime) -> bool:
        """Whether what looks old is old: where time has leapt ahead, what waits first gets a day to be told."""
        looked, leapt = parse_utc_or_none(self.fact("looked_at")), parse_utc_or_none(self.fact("leapt_at"))
        if looked is not None and now - looked > _LEAP:
            leapt = now
            self.keep("leapt_at", format_utc(now))
        self.keep("looked_at", format_utc(now))
        return leapt is None or not timedelta() <= now - leapt < _LEAP

    def next_events(self, count: int, size: int) -> list[QueuedEvent]:
        """Return the oldest events in order, at least one where any waits, within so many and so many bytes."""
        found: list[QueuedEvent] = []
        taken = 0
        rows = self._rows("SELECT sequence, key, created_at, body FROM events ORDER BY sequence LIMIT ?", count)
        for sequence, key, created_at, body in rows:
            taken += len(str(body)) + OVERHEAD_BYTES
            if found and taken > size:
                break
            one = QueuedEvent(sequence=int(str(sequence)), key=str(key), created_at=str(created_at), body=str(body))
            found.append(one)
        return found

    def forget(self, sequences: Iterator[int] | list[int]) -> None:
        """Forget events that need not be sent again."""
        self._sql.executemany("DELETE FROM events WHERE sequence = ?", [(sequence,) for sequence in sequences])

    def refuse(self, key: str, answer: str, now: datetime, *, counted: bool = True) -> None:
        """Remember that the centre does not want a message, and what it said; the newest hundred are kept."""
        self.keep("refused", self._count("refused") + (1 if counted else 0))
        self._sql.execute(
            "INSERT OR REPLACE INTO refusals VALUES (?, ?, ?)", (key, format_utc(now), answer[:_LONGEST_ANSWER])
        )
        self._sql.execute(
            "DELETE FROM refusals WHERE key NOT IN (SELECT key FROM refusals ORDER BY at DESC LIMIT ?)",
            (_KEPT_REFUSALS,),
        )

    def refusals(self) -> list[RejectedMessage]:
        """Return what the centre refused lately, newest first."""
        rows = self._all("SELECT key, at, answer FROM refusals ORDER BY at DESC")
        return [RejectedMessage(key=str(key), at=str(at), answer=str(answer)) for key, at, answer in rows]

    def tell_losses(self, now: datetime) -> bool:
        """Write what was given up as one event of its own; whether there was anything."""
        lost = self.fact("lost")
        if not isinstance(lost, dict) or _loss(lost) is None:
            return False
        self.keep("lost", None)
        self.add(MESSAGES_LOST, now, lost, now)
        return True

    def next_state_sequence(self) -> int:
        """Return the next number of the second counter, which states and heartbeats share."""
        sequence = self._count("state_sequence") + 1
        self.keep("state_sequence", sequence)
        return sequence

    def begin(self, host_id: str, now: datetime, *, previous: str | None, reason: str) -> None:
        """Begin a stream with the event that says so; events that wait go along under new numbers.

        What they declare lost was lost of the stream before: of the new one only how many is still true.
        """
        waiting = self._all("SELECT created_at, body FROM events ORDER BY sequence")
        lost = self.fact("lost")
        self._sql.execute("DELETE FROM events")
        for name, value in (("instance_id", str(uuid.uuid4())), ("host_id", host_id), ("begun", reason)):
            self.keep(name, value)
        for name in ("last_sequence", "state_sequence", "told_hash"):
            self.keep(name, None)
        self._append(format_utc(now), _event("outbox-begun", now, {"previous_instance_id": previous, "reason": reason}))
        for created_at, body in waiting:
            event = parse_event(str(body))
            if event is None or event["type"] != "outbox-begun":
                self._append(str(created_at), str(body) if event is None else json.dumps(_of_no_sequence(event)))
        if isinstance(lost, dict):
            self.keep("lost", lost | _NO_SEQUENCE)

    def depth(self) -> OutboxStats:
        """Return how it stands."""
        row = self._one("SELECT count(*), coalesce(sum(length(body)), 0), min(created_at) FROM events") or (0, 0, None)
        return OutboxStats(
            events=int(str(row[0])),
            size=int(str(row[1])) + OVERHEAD_BYTES * int(str(row[0])),
            oldest_at=None if row[2] is None else str(row[2]),
            dropped=self._count("dropped"),
            refused=self._count("refused"),
            last_sequence=self._count("last_sequence"),
        )

    def give_up(self, sequence: int, body: str, reason: str) -> None:
        """Take an event for lost: it will never arrive; one that told of lost ones takes those along."""
        first = last = sequence
        count = 1
        told = parse_event(body)
        if told is not None and told["type"] == MESSAGES_LOST and (loss := _loss(told["document"])):
            count += loss[0]
            first = min(first, loss[1])
        if before := _loss(self.fact("lost")):
            count += before[0]
            first, last = min(first, before[1]), max(last, before[2])
        lost = {"count": count, "first_sequence": first, "last_sequence": last, "reason": reason}
        self._sql.execute("DELETE FROM events WHERE sequence = ?", (sequence,))
        self.keep("lost", lost)
        self.keep("dropped", self._count("dropped") + (0 if reason == "refused" else 1))

    def _count(self, name: str) -> int:
        value = self.fact(name)
        return value if isinstance(value, int) else 0

    def _one(self, statement: str, *values: object) -> tuple[object, ...] | None:
        return next(iter(self._all(statement, *values)), None)

    def _all(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        return list(self._rows(statement, *values))

    def _rows(self, statement: str, *values: object) -> Iterator[tuple[object, ...]]:
        try:
            yield from self._sql.execute(statement, values)
        except sqlite3.Error as error:
            raise HostError(f"the outbox cannot be read: {error}") from error


def _event(kind: str, at: datetime, document: Mapping[str, object]) -> str:
    return json.dumps({"schema": EVENT_SCHEMA, "type": kind, "at": format_utc(at), "document": document})


def _of_no_sequence(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "document": event["document"] | _NO_SEQUENCE} if event["type"] == MESSAGES_LOST else event


def parse_event(body: str) -> dict[str, Any] | None:
    """Return an event as it was written; None where the disk gave back something else."""
    try:
        event = json.loads(body, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or event.get("schema") != EVENT_SCHEMA:
        return None
    return event if isinstance(event.get("type"), str) and isinstance(event.get("document"), dict) else None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no JSON")
    return number


def _loss(found: object) -> tuple[int, int, int] | None:
    """Return how many were lost, the first and the last; None where there is nothing that says so."""
    if not isinstance(found, dict):
        return None
    count, first, last = (found.get(name) for name in ("count", "first_sequence", "last_sequence"))
    if not isinstance(count, int) or not isinstance(first, int) or not isinstance(last, int):
        return None
    return (count, first, last)
