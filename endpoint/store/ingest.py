"""Puts batches into the database: reads what is known, lets `deduplicate` decide, writes, all in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from queue import SimpleQueue
from threading import Lock
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.deduplicate import Deduplicated, StoredKey, StreamKnowledge, deduplicate, deduplicate_new_stream
from endpoint.core.messages import Batch, Message, MessageKind
from endpoint.errors import StoreError
from endpoint.store.database import Database
from endpoint.store.tables import EVENTS, LOSSES, REFUSALS, STATES, STREAMS

_MOST_AT_ONCE = 64
_CLOSE_S = 60.0
_LOCK = (
    sa.select(STREAMS)
    .where(sa.tuple_(STREAMS.c.host_id, STREAMS.c.instance_id).in_(sa.bindparam("names", expanding=True)))
    # In one order everywhere: else two processes could each wait for a row that the other holds. SQLite needs no such
    # lock and leaves it out: its transactions follow each other.
    .order_by(STREAMS.c.host_id, STREAMS.c.instance_id)
    .with_for_update()
)
_SEEN = sa.select(EVENTS.c.key, EVENTS.c.sequence, EVENTS.c.digest).where(
    EVENTS.c.stream == sa.bindparam("stream"),
    sa.or_(
        EVENTS.c.key.in_(sa.bindparam("keys", expanding=True)),
        EVENTS.c.sequence.in_(sa.bindparam("sequences", expanding=True)),
    ),
)
# No INSERT ... ON CONFLICT: SQLAlchemy 1.4 would compile it anew each time, which costs more than to run it.
_STATE_VALUES = {"received_at": sa.bindparam("at"), "body": sa.bindparam("text")}
_FIRST_STATE = sa.insert(STATES).values(stream=sa.bindparam("of"), **_STATE_VALUES)
_STATE = sa.update(STATES).where(STATES.c.stream == sa.bindparam("of")).values(**_STATE_VALUES)
_CONTACT = {
    name: sa.bindparam(f"new_{name}")
    for name in ("agent_version", "last_seen_at", "latest_sequence", "latest_key", "latest_digest", "state_hash")
}
_UPDATE = (
    sa.update(STREAMS)
    .where(STREAMS.c.id == sa.bindparam("stream"))
    .values(
        **_CONTACT,
        events=STREAMS.c.events + sa.bindparam("more_events"),
        highest_event=sa.bindparam("new_highest_event"),
        refused=STREAMS.c.refused + sa.bindparam("more_refused"),
    )
)


@dataclass(slots=True, kw_only=True, eq=False)
class _Entry:
    """A batch that waits to be stored, and what came of it."""

    batch: Batch
    now: float
    woken: SimpleQueue[None] = field(default_factory=SimpleQueue)
    """Holds something once the batch is stored, or may store for all who wait."""
    taken: bool = False
    sifted: Deduplicated | None = None
    error: StoreError | None = None

    @property
    def name(self) -> tuple[str, str]:
        """Return what names its stream."""
        return self.batch.host_id, self.batch.instance_id


class Ingest:
    """Where batches go: many at once in one transaction, for a disk takes as long for one as for all of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._new_stream = database.insert_new(STREAMS)
        self._replace_refusal = database.upsert(REFUSALS)
        self._waiting: list[_Entry] = []
        self._mutex = Lock()
        self._led = False

    def put(self, batch: Batch, now: datetime) -> Deduplicated:
        """Store what is new of a batch; when this returns, it is durable.

        Raises:
            StoreError: the database does not answer; whatever was done, the same batch may come again.
        """
        entry = _Entry(batch=batch, now=now.timestamp())
        with self._mutex:
            self._waiting.append(entry)
            leads, self._led = not self._led, True
        if not leads:
            entry.woken.get()  # stored by somebody else by now, or it is our turn to store for all who wait
        if not entry.taken:
            self._lead(entry)
        if entry.sifted is None:
            raise entry.error or StoreError("what was stored together with it went wrong")
        return entry.sifted

    def _lead(self, own: _Entry) -> None:
        group = self._group(own)
        try:
            self._store(group)
        finally:
            with self._mutex:
                following = self._waiting[:1]
                self._led = bool(following)
            for entry in [*group, *following]:
                entry.woken.put(None)

    def _group(self, own: _Entry) -> list[_Entry]:
        """Take batches that wait, of each stream one: what comes after it must see what came of it."""
        group = {own.name: own}
        with self._mutex:
            for entry in self._waiting:
                if len(group) < _MOST_AT_ONCE:
                    group.setdefault(entry.name, entry)
            for entry in group.values():
                entry.taken = True
            self._waiting = [entry for entry in self._waiting if not entry.taken]
        return list(group.values())

    def _store(self, group: list[_Entry]) -> None:
        try:
            made = self._database.write(lambda connection: self._put_all(connection, group))
        except StoreError as error:
            if len(group) > 1 and error.of_the_data:  # one must not take the others with it
                for entry in group:
                    self._store([entry])
            else:
                for entry in group:
                    entry.error = error
        else:
            for entry, sifted in zip(group, made, strict=True):
                entry.sifted = sifted

    def _put_all(self, connection: Connection, group: list[_Entry]) -> list[Deduplicated]:
        streams = self._streams(connection, group)
        made: list[Deduplicated] = []
        changes: list[dict[str, Any]] = []
        first_states: list[dict[str, Any]] = []
        states: list[dict[str, Any]] = []
        for entry in group:
            stream = streams.get(entry.name)
            if stream is None:
                made.append(deduplicate_new_stream(entry.batch.messages))
                continue
            latest = None
            if stream.latest_sequence is not None:
                latest = StoredKey(key=stream.latest_key, sequence=stream.latest_sequence, digest=stream.latest_digest)
            seen = _seen(connection, stream.id, entry.batch.messages)
            known = StreamKnowledge(
                events=seen, latest=latest, state_hash=stream.state_hash, pruned_upto=stream.pruned_upto
            )
            sifted = deduplicate(entry.batch.messages, known)
            self._write_events(connection, stream.id, sifted, entry.now)
            if sifted.state is not None:
                values = {"of": stream.id, "at": entry.now, "text": sifted.state.text}
                (states if stream.state_hash is not None else first_states).append(values)
            changes.append(_changes(stream, entry.batch, sifted, entry.now))
            made.append(sifted)
        if first_states:
            connection.execute(_FIRST_STATE, first_states)
        if states:
            connection.execute(_STATE, states)
        if changes:
            connection.execute(_UPDATE, changes)
        return made

    def _streams(self, connection: Connection, group: list[_Entry]) -> dict[tuple[str, str], Any]:
        names = [entry.name for entry in group]
        found = _locked(connection, names)
        missing = [entry for entry in group if entry.name not in found and entry.batch.agent_version is not None]
        if missing:
            missing.sort(key=lambda entry: entry.name)
            for entry in missing:
                values = {
                    "host_id": entry.batch.host_id, "instance_id": entry.batch.instance_id,
                    "agent_version": entry.batch.agent_version, "first_seen_at": entry.now, "last_seen_at": entry.now,
                    "events": 0, "highest_event": 0, "refused": 0, "pruned_upto": 0,
                }  # fmt: skip
                connection.execute(self._new_stream, values)
            found = _locked(connection, names)
        return found

    def _write_events(self, connection: Connection, stream: int, sifted: Deduplicated, now: float) -> None:
        if sifted.events:
            connection.execute(EVENTS.insert(), [_event(stream, message, now) for message in sifted.events])
        losses = [_loss(stream, message) for message in sifted.events if message.type == "messages-lost"]
        if losses:
            connection.execute(LOSSES.insert(), losses)
        for message in sifted.refused_events:
            values = {
                "stream": stream, "sequence": message.sequence, "key": message.key,
                "detail": message.fault, "received_at": now,
            }  # fmt: skip
            connection.execute(self._replace_refusal, values)


def _locked(connection: Connection, names: list[tuple[str, str]]) -> dict[tuple[str, str], Any]:
    rows = connection.execute(_LOCK, {"names": names})
    return {(row.host_id, row.instance_id): row for row in rows}


def _seen(connection: Connection, stream: int, messages: Sequence[Message]) -> list[StoredKey]:
    events = [message for message in messages if message.kind is MessageKind.EVENT]
    if not events:
        return []
    wanted = {
        "stream": stream,
        "keys": [message.key for message in events],
        "sequences": [message.sequence for message in events],
    }
    rows = connection.execute(_SEEN, wanted)
    return [StoredKey(key=key, sequence=sequence, digest=digest) for key, sequence, digest in rows]


def _changes(stream: Any, batch: Batch, sifted: Deduplicated, now: float) -> dict[str, Any]:
    latest, state = sifted.latest, sifted.state
    return {
        "stream": stream.id,
        "new_agent_version": stream.agent_version if batch.agent_version is None else batch.agent_version,
        # Another process may have been a little faster; much later than now is only what a clock said that was wrong.
        "new_last_seen_at": stream.last_seen_at if now < stream.last_seen_at <= now + _CLOSE_S else now,
        "new_latest_sequence": latest.sequence if latest else stream.latest_sequence,
        "new_latest_key": latest.key if latest else stream.latest_key,
        "new_latest_digest": latest.digest if latest else stream.latest_digest,
        "new_state_hash": state.hash if state else stream.state_hash,
        "more_events": len(sifted.events),
        "new_highest_event": max([stream.highest_event, *(message.sequence for message in sifted.events)]),
        "more_refused": sifted.refused,
    }


def _event(stream: int, message: Message, now: float) -> dict[str, Any]:
    return {
        "stream": stream,
        "sequence": message.sequence,
        "key": message.key,
        "digest": message.digest,
        "type": message.type,
        "created_at": message.created_at,
        "received_at": now,
        "body": message.text,
    }


def _loss(stream: int, message: Message) -> dict[str, Any]:
    lost = message.document
    return {
        "stream": stream,
        "sequence": message.sequence,
        "first_sequence": int(lost["first_sequence"]),
        "last_sequence": int(lost["last_sequence"]),
        "reason": lost["reason"],
    }
