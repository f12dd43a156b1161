"""Puts batches into the database: reads what is known, lets `sift` decide, writes, all in one transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.batch import Batch, Kind, Message
from endpoint.core.sift import Known, Seen, Sifted, sift
from endpoint.store.database import Database
from endpoint.store.tables import EVENTS, LOSSES, REFUSALS, STATES, STREAMS

_FIND = sa.select(STREAMS).where(
    STREAMS.c.host_id == sa.bindparam("host"), STREAMS.c.instance_id == sa.bindparam("instance")
)
_LOCK = _FIND.with_for_update()  # SQLite needs no such thing and leaves it out: its transactions follow each other
_SEEN = sa.select(EVENTS.c.key, EVENTS.c.sequence, EVENTS.c.digest).where(
    EVENTS.c.stream == sa.bindparam("stream"),
    sa.or_(
        EVENTS.c.key.in_(sa.bindparam("keys", expanding=True)),
        EVENTS.c.sequence.in_(sa.bindparam("sequences", expanding=True)),
    ),
)
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


class Streams:
    """Where batches go."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, batch: Batch, now: datetime) -> Sifted:
        """Store what is new of a batch; when this returns, it is durable.

        Raises:
            StoreError: the database does not answer; whatever was done, the same batch may come again.
        """
        return self._database.write(lambda connection: self._put(connection, batch, now.timestamp()))

    def _put(self, connection: Connection, batch: Batch, now: float) -> Sifted:
        stream = self._stream(connection, batch, now)
        latest = None
        if stream.latest_sequence is not None:
            latest = Seen(key=stream.latest_key, sequence=stream.latest_sequence, digest=stream.latest_digest)
        known = Known(events=_seen(connection, stream.id, batch.messages), latest=latest, state_hash=stream.state_hash)
        sifted = sift(batch.messages, known)
        self._write_events(connection, stream.id, sifted, now)
        if sifted.state is not None:
            values = {"stream": stream.id, "received_at": now, "body": sifted.state.text}
            connection.execute(self._database.upsert(STATES, values))
        connection.execute(_UPDATE, _changes(stream, batch, sifted, now))
        return sifted

    def _stream(self, connection: Connection, batch: Batch, now: float) -> Any:
        name = {"host": batch.host_id, "instance": batch.instance_id}
        stream = connection.execute(_LOCK, name).first()
        if stream is None:
            values = {
                "host_id": batch.host_id, "instance_id": batch.instance_id, "agent_version": batch.agent_version,
                "first_seen_at": now, "last_seen_at": now, "events": 0, "highest_event": 0, "refused": 0,
            }  # fmt: skip
            connection.execute(self._database.insert_new(STREAMS, values))
            stream = connection.execute(_LOCK, name).one()
        return stream

    def _write_events(self, connection: Connection, stream: int, sifted: Sifted, now: float) -> None:
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
            connection.execute(self._database.upsert(REFUSALS, values))


def _seen(connection: Connection, stream: int, messages: Sequence[Message]) -> list[Seen]:
    events = [message for message in messages if message.kind is Kind.EVENT]
    if not events:
        return []
    wanted = {
        "stream": stream,
        "keys": [message.key for message in events],
        "sequences": [message.sequence for message in events],
    }
    rows = connection.execute(_SEEN, wanted)
    return [Seen(key=key, sequence=sequence, digest=digest) for key, sequence, digest in rows]


def _changes(stream: Any, batch: Batch, sifted: Sifted, now: float) -> dict[str, Any]:
    latest, state = sifted.latest, sifted.state
    return {
        "stream": stream.id,
        "new_agent_version": batch.agent_version,
        "new_last_seen_at": max(now, stream.last_seen_at),
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
