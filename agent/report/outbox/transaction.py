"""Changes to an outbox, all of them or none: `with outbox.transaction() as tx`."""

import os
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from agent.core.clock import OUTBOX_PAUSE
from agent.core.frozen import frozen, replace
from agent.core.uuids import version_4
from agent.report.outbox.event import MESSAGES_LOST, OUTBOX_BEGUN, for_new_stream, parse_event, write_event
from agent.report.outbox.stream_state import Loss, StreamState, loss_from_document, loss_to_document
from agent.state.timestamps import format_utc, minus_clamped

OVERHEAD_BYTES = 250
"""Approximate size of an event in SQLite and in a batch beyond its body."""
_KEPT_REFUSALS = 100
_LONGEST_ANSWER = 2000
_OLDEST = "SELECT sequence, body FROM events {} ORDER BY sequence LIMIT 1"
"""One at a time: together the events may not fit into memory."""


@frozen
class OutboxLimits:
    """What the queue may hold before the oldest events are dropped and counted as lost."""

    size: int
    """Bytes."""
    age: timedelta


class Transaction:
    """An open transaction. Its `state` is written when the block ends; sqlite3.Error is the caller's."""

    def __init__(self, connection: sqlite3.Connection, state: StreamState, limits: OutboxLimits) -> None:
        """Take a connection on which BEGIN was executed, and the state as it is stored."""
        self._sql = connection
        self._limits = limits
        self.state = state

    def add(self, kind: str, at: datetime, document: Mapping[str, object], now: datetime) -> None:
        """Queue an event. Call `enforce_limits` after the last one."""
        self._append(format_utc(now), write_event(kind, at, document))

    def delete(self, sequences: Iterable[int]) -> None:
        """Delete events that need not be sent again."""
        self._sql.executemany("DELETE FROM events WHERE sequence = ?", [(sequence,) for sequence in sequences])

    def drop(self, sequence: int, body: str, reason: str) -> None:
        """Drop an event and count it as lost; dropping a messages-lost event adds its counts to the next one."""
        lost = Loss(count=1, first_sequence=sequence, last_sequence=sequence, reason=reason)
        event = parse_event(body)
        if event is not None and event["type"] == MESSAGES_LOST and (earlier := loss_from_document(event["document"])):
            lost = replace(
                lost, count=1 + earlier.count, first_sequence=min(lost.first_sequence, earlier.first_sequence)
            )
        self.delete([sequence])
        dropped = self.state.dropped + (0 if reason == "refused" else 1)
        self.state = replace(self.state, lost=lost.plus(self.state.lost), dropped=dropped)

    def enforce_limits(self, now: datetime) -> None:
        """Drop events beyond the limits of age and size, oldest first."""
        oldest = format_utc(minus_clamped(now, self._limits.age))
        expires = self._expires(now)
        while expires and (row := self._one(_OLDEST.format("WHERE created_at < ?"), oldest)):
            self.drop(int(row[0]), str(row[1]), "too-old")
        (count, size) = self._one("SELECT count(*), coalesce(sum(length(body)), 0) FROM events") or (0, 0)
        excess = int(size) + OVERHEAD_BYTES * int(count) - self._limits.size
        while excess > 0 and (row := self._one(_OLDEST.format(""))):
            self.drop(int(row[0]), str(row[1]), "too-many-bytes")
            excess -= len(str(row[1])) + OVERHEAD_BYTES

    def append_loss_event(self, now: datetime) -> bool:
        """Queue one messages-lost event for everything that was lost since the last; return whether there was any."""
        if self.state.lost is None:
            return False
        lost, self.state = self.state.lost, replace(self.state, lost=None)
        self.add(MESSAGES_LOST, now, loss_to_document(lost), now)
        return True

    def record_rejection(self, key: str, answer: str, now: datetime) -> None:
        """Keep the answer to a message that the other side rejected; the newest hundred are kept."""
        row = (key, format_utc(now), answer[:_LONGEST_ANSWER])
        self._sql.execute("INSERT OR REPLACE INTO refusals VALUES (?, ?, ?)", row)
        self._sql.execute(
            "DELETE FROM refusals WHERE key NOT IN (SELECT key FROM refusals ORDER BY at DESC LIMIT ?)",
            (_KEPT_REFUSALS,),
        )

    def start_stream(self, host_id: str, now: datetime, *, previous: str | None, reason: str) -> None:
        """Start a new stream with an outbox-begun event; queued events move to it under new sequences."""
        queued = self._sql.execute("SELECT created_at, body FROM events ORDER BY sequence").fetchall()
        lost = self.state.lost and replace(self.state.lost, first_sequence=1, last_sequence=1)
        self._sql.execute("DELETE FROM events")
        self.state = replace(
            self.state,
            instance_id=version_4(os.urandom(16)),
            host_id=host_id,
            start_reason=reason,
            last_sequence=0,
            state_sequence=0,
            sent_hash=None,
            lost=lost,
        )
        self.add(OUTBOX_BEGUN, now, {"previous_instance_id": previous, "reason": reason}, now)
        for created_at, body in queued:
            moved = for_new_stream(str(body))
            if moved is not None:
                self._append(str(created_at), moved)

    def _append(self, created_at: str, body: str) -> None:
        sequence = self.state.last_sequence + 1
        row = (sequence, f"e-{os.urandom(16).hex()}", created_at, body)
        self._sql.execute("INSERT INTO events VALUES (?, ?, ?, ?)", row)
        self.state = replace(self.state, last_sequence=sequence)

    def _expires(self, now: datetime) -> bool:
        """Return whether old events expire: not for a day after a forward clock jump, so that they can be sent."""
        checked, jumped = self.state.limits_checked_at, self.state.clock_jumped_at
        if checked is not None and now - checked > OUTBOX_PAUSE:
            jumped = now
        self.state = replace(self.state, limits_checked_at=now, clock_jumped_at=jumped)
        return jumped is None or not timedelta() <= now - jumped < OUTBOX_PAUSE

    def _one(self, statement: str, *values: object) -> tuple[str | int, ...] | None:
        found: tuple[str | int, ...] | None = self._sql.execute(statement, values).fetchone()
        return found
