"""The queue of events that are not acknowledged yet, and the state of their stream. SQLite, bounded.

Only one process at a time has it open (`agent.report.outbox.file`). What a transaction wrote survives a power cut once
its block has ended: write-ahead log, synchronous=FULL (https://www.sqlite.org/pragma.html). An event's sequence is its
place in the stream and never reused. The stream's name is in the file, so a new file starts a new stream.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from agent.core.schemas import Document
from agent.errors import HostError
from agent.report.outbox.event import QueuedEvent, parse_event
from agent.report.outbox.stats import OutboxStats
from agent.report.outbox.stream_state import StreamState, stream_state_from_document, stream_state_to_document
from agent.report.outbox.transaction import OVERHEAD_BYTES, OutboxLimits, Transaction


class Outbox:
    """One open outbox."""

    def __init__(self, connection: sqlite3.Connection, limits: OutboxLimits) -> None:
        """Take a connection to an intact file.

        Raises:
            HostError: it cannot be read.
        """
        self._sql = connection
        self._limits = limits
        self._state = load_state(connection)

    @property
    def state(self) -> StreamState:
        """The state as it is stored."""
        return self._state

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Write all changes of the block or none; when it ends they are on the disk.

        Raises:
            HostError: they cannot be written (for example disk full).
        """
        try:
            self._sql.execute("BEGIN IMMEDIATE")
            try:
                transaction = Transaction(self._sql, self._state, self._limits)
                yield transaction
                if transaction.state != self._state:
                    store_state(self._sql, transaction.state)
                self._sql.execute("COMMIT")
                self._state = transaction.state
            finally:
                if self._sql.in_transaction:
                    self._sql.execute("ROLLBACK")
        # Of a text that is no valid Unicode, or a number of more than 64 bits, sqlite3 raises no error of its own.
        except (sqlite3.Error, ValueError, OverflowError) as error:
            raise HostError(f"the outbox cannot be written: {error}") from error

    def next_events(self, count: int, size: int) -> list[QueuedEvent]:
        """Return the oldest events in order: at most `count`, about `size` bytes, and at least one if there is any.

        Raises:
            HostError: they cannot be read.
        """
        found: list[QueuedEvent] = []
        taken = 0
        statement = "SELECT sequence, key, created_at, body FROM events ORDER BY sequence LIMIT ?"
        try:
            for sequence, key, created_at, body in self._sql.execute(statement, (count,)):
                taken += len(str(body)) + OVERHEAD_BYTES
                if found and taken > size:
                    break
                event = QueuedEvent(sequence=int(sequence), key=str(key), created_at=str(created_at), body=str(body))
                found.append(event)
        except sqlite3.Error as error:
            raise HostError(f"the outbox cannot be read: {error}") from error
        return found

    def next_parsed(self, count: int, size: int) -> list[tuple[QueuedEvent, Document]]:
        """Return what `next_events` does, each with its document; those that the disk damaged are dropped.

        Raises:
            HostError: they cannot be read or dropped.
        """
        while True:
            queued = [(event, parse_event(event.body)) for event in self.next_events(count, size)]
            damaged = [event for event, document in queued if document is None]
            if not damaged:
                return [(event, document) for event, document in queued if document is not None]
            with self.transaction() as tx:
                for event in damaged:
                    tx.drop(event.sequence, event.body, "unreadable")

    def stats(self) -> OutboxStats:
        """Return the queue's figures.

        Raises:
            HostError: they cannot be read.
        """
        try:
            (events, size, oldest) = self._sql.execute(
                "SELECT count(*), coalesce(sum(length(body)), 0), min(created_at) FROM events"
            ).fetchone()
        except sqlite3.Error as error:
            raise HostError(f"the outbox cannot be read: {error}") from error
        return OutboxStats(
            events=events,
            size=size + OVERHEAD_BYTES * events,
            oldest_at=None if oldest is None else str(oldest),
            dropped=self._state.dropped,
            refused=self._state.refused,
            last_sequence=self._state.last_sequence,
        )


def load_state(connection: sqlite3.Connection) -> StreamState:
    """Read the state; that of a new file where there is none.

    Raises:
        HostError: it cannot be read. Its cause is a ValueError where the text is not JSON.
    """
    try:
        row = connection.execute("SELECT document FROM state").fetchone()
        return StreamState() if row is None else stream_state_from_document(json.loads(row[0]))
    except (sqlite3.Error, ValueError, TypeError, RecursionError) as error:
        raise HostError(f"the outbox cannot be read: {error}") from error


def store_state(connection: sqlite3.Connection, state: StreamState) -> None:
    """Replace the state; within a transaction of the caller."""
    connection.execute("INSERT OR REPLACE INTO state VALUES (1, ?)", (json.dumps(stream_state_to_document(state)),))
