"""Stores batches: reads what is stored, lets `deduplicate` decide, and writes, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.deduplicate import Deduplicated, StoredKey, StreamKnowledge, deduplicate, deduplicate_new_stream
from endpoint.core.deployments import ENDED
from endpoint.core.host_columns import state_digest
from endpoint.core.messages import Batch, Message, MessageKind
from endpoint.core.request_steps import read_step
from endpoint.core.requests import NO_DELIVERY
from endpoint.store.database import Database
from endpoint.store.group_commit import GroupCommit
from endpoint.store.host_rows import Contact, HostRows
from endpoint.store.notify_events import EventNotes
from endpoint.store.requests import exchange_requests
from endpoint.store.stream_locks import lock_streams
from endpoint.store.tables import EVENTS, LOSSES, REFUSALS, STATES, STREAMS, seen_slot

_CLOCK_TOLERANCE_S = 60.0
_STORED_KEYS = sa.select(EVENTS.c.key, EVENTS.c.sequence, EVENTS.c.digest).where(
    EVENTS.c.stream == sa.bindparam("stream"),
    sa.or_(
        EVENTS.c.key.in_(sa.bindparam("keys", expanding=True)),
        EVENTS.c.sequence.in_(sa.bindparam("sequences", expanding=True)),
    ),
)
# No INSERT ... ON CONFLICT: SQLAlchemy 1.4 compiles it again for each execution, which costs more than running it.
_STATE_VALUES = {"received_at": sa.bindparam("at"), "body": sa.bindparam("text")}
_FIRST_STATE = sa.insert(STATES).values(stream=sa.bindparam("of"), **_STATE_VALUES)
_STATE = sa.update(STATES).where(STATES.c.stream == sa.bindparam("of")).values(**_STATE_VALUES)
_CONTACT = {
    name: sa.bindparam(f"new_{name}")
    for name in (
        *("agent_version", "last_seen_at", "latest_sequence", "latest_key", "latest_digest", "state_hash"),
        *("takes_requests", "outbox_depth", "outbox_last"),
    )
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
# Apart, because SQLite writes every index of a column that is named, changed or not.
_UPDATE_WITH_SLOT = _UPDATE.values(last_seen_slot=sa.bindparam("new_last_seen_slot"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Received:
    """A batch, and when it was received in Unix seconds."""

    batch: Batch
    at: float
    takes_requests: bool

    @property
    def stream(self) -> tuple[str, str]:
        """Return what identifies its stream."""
        return self.batch.host_id, self.batch.instance_id


class Ingest:
    """Stores batches, several in one transaction where they arrive together."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._new_stream = database.insert_new(STREAMS)
        self._replace_refusal = database.upsert(REFUSALS)
        self._hosts = HostRows(database)
        self._notes = EventNotes(database)
        self._commits = GroupCommit(self._commit, lambda received: received.stream)

    def put(self, batch: Batch, now: datetime, *, takes_requests: bool = False) -> Deduplicated:
        """Store what is new in a batch; when this returns, it is durable.

        The result has what is to be delivered if the host `takes_requests` in the response.

        Raises:
            StoreError: the database does not answer. Some of the batch may be stored; it can be sent again.
        """
        received = _Received(batch=batch, at=now.timestamp(), takes_requests=takes_requests)
        return self._commits.submit(received)

    def _commit(self, group: Sequence[_Received]) -> list[Deduplicated]:
        return self._database.write(lambda connection: self._put_all(connection, group))

    def _put_all(self, connection: Connection, group: Sequence[_Received]) -> list[Deduplicated]:
        streams = self._streams(connection, group)
        results: list[Deduplicated] = []
        changes: list[dict[str, Any]] = []
        first_states: list[dict[str, Any]] = []
        states: list[dict[str, Any]] = []
        for received in group:
            stream = streams.get(received.stream)
            if stream is None:
                results.append(deduplicate_new_stream(received.batch.messages))
                continue
            latest = None
            if stream.latest_sequence is not None:
                latest = StoredKey(key=stream.latest_key, sequence=stream.latest_sequence, digest=stream.latest_digest)
            stored = _stored_keys(connection, stream.id, received.batch.messages)
            known = StreamKnowledge(
                events=stored, latest=latest, state_hash=stream.state_hash, pruned_upto=stream.pruned_upto
            )
            decided = deduplicate(received.batch.messages, known)
            self._write_events(connection, stream.id, decided, received.at)
            self._notes.note(connection, received.batch, decided.events, received.at)
            if decided.state is not None:
                values = {"of": stream.id, "at": received.at, "text": decided.state.text}
                (states if stream.state_hash is not None else first_states).append(values)
            changes.append(_changes(stream, received, decided))
            results.append(decided)
        if first_states:
            connection.execute(_FIRST_STATE, first_states)
        if states:
            connection.execute(_STATE, states)
        _write_changes(connection, changes)
        pairs = list(zip(group, results, strict=True))
        self._hosts.apply(connection, _contacts(pairs, streams))
        _exchange_requests(connection, pairs, streams)
        return results

    def _streams(self, connection: Connection, group: Sequence[_Received]) -> dict[tuple[str, str], Any]:
        names = [received.stream for received in group]
        asks = any(received.takes_requests for received in group)
        asked_at = max(received.at for received in group) if asks else None
        found = lock_streams(connection, names, asked_at)
        missing = [
            received for received in group if received.stream not in found and received.batch.agent_version is not None
        ]
        if missing:
            missing.sort(key=lambda received: received.stream)
            for received in missing:
                values = {
                    "host_id": received.batch.host_id, "instance_id": received.batch.instance_id,
                    "agent_version": received.batch.agent_version,
                    "first_seen_at": received.at, "last_seen_at": received.at, "last_seen_slot": seen_slot(received.at),
                    "events": 0, "highest_event": 0, "refused": 0, "pruned_upto": 0,
                }  # fmt: skip
                connection.execute(self._new_stream, values)
            found = lock_streams(connection, names, asked_at)
        return found

    def _write_events(self, connection: Connection, stream: int, decided: Deduplicated, now: float) -> None:
        if decided.events:
            connection.execute(EVENTS.insert(), [_event(stream, message, now) for message in decided.events])
        losses = [_loss(stream, message) for message in decided.events if message.type == "messages-lost"]
        if losses:
            connection.execute(LOSSES.insert(), losses)
        for message in decided.refused_events:
            values = {
                "stream": stream, "sequence": message.sequence, "key": message.key,
                "detail": message.fault, "received_at": now,
            }  # fmt: skip
            connection.execute(self._replace_refusal, values)


def _contacts(pairs: Sequence[tuple[_Received, Deduplicated]], streams: Mapping[tuple[str, str], Any]) -> list[Contact]:
    return [
        Contact(
            host_id=received.batch.host_id,
            stream=stream.id,
            first_seen_at=stream.first_seen_at,
            at=received.at,
            agent_version=received.batch.agent_version or stream.agent_version,
            state=decided.state,
            digest=state_digest(decided.state.text) if decided.state is not None else None,
            shown_stream=stream.shown_stream,
            shown_digest=stream.shown_digest,
        )
        for received, decided in pairs
        for stream in [streams.get(received.stream)]
        if stream is not None
    ]


def _exchange_requests(
    connection: Connection, pairs: Sequence[tuple[_Received, Deduplicated]], streams: Mapping[tuple[str, str], Any]
) -> None:
    """Add what is delivered to the results. A host without a stream gets nothing: its state is requested first."""
    known = [(received, decided) for received, decided in pairs if received.stream in streams]
    found = [read_step(received.batch.host_id, event) for received, decided in known for event in decided.events]
    steps = [step for step in found if step is not None]
    # Whoever reports an end makes room for its own next step, which `has_requests` was asked before.
    ending = {step.host_id for step in steps if step.status in ENDED}
    hosts = frozenset(
        received.batch.host_id
        for received, _ in known
        if received.takes_requests and (streams[received.stream].has_requests or received.batch.host_id in ending)
    )
    if not hosts and not steps:
        return
    deliveries = exchange_requests(connection, hosts, steps, max(received.at for received, _ in known))
    for received, decided in known:
        if received.takes_requests:
            decided.delivery = deliveries.get(received.batch.host_id, NO_DELIVERY)


def _stored_keys(connection: Connection, stream: int, messages: Sequence[Message]) -> list[StoredKey]:
    events = [message for message in messages if message.kind is MessageKind.EVENT]
    if not events:
        return []
    wanted = {
        "stream": stream,
        "keys": [message.key for message in events],
        "sequences": [message.sequence for message in events],
    }
    rows = connection.execute(_STORED_KEYS, wanted)
    return [StoredKey(key=key, sequence=sequence, digest=digest) for key, sequence, digest in rows]


def _write_changes(connection: Connection, changes: Sequence[dict[str, Any]]) -> None:
    same = [values for values in changes if "new_last_seen_slot" not in values]
    other = [values for values in changes if "new_last_seen_slot" in values]
    if same:
        connection.execute(_UPDATE, same)
    if other:
        connection.execute(_UPDATE_WITH_SLOT, other)


def _changes(stream: Any, received: _Received, decided: Deduplicated) -> dict[str, Any]:
    latest, state, batch, now = decided.latest, decided.state, received.batch, received.at
    outbox = (state.body.get("outbox") or {}) if state is not None else None
    # Another process may have stored a slightly later contact; one far in the future came from a wrong clock.
    seen_at = stream.last_seen_at if now < stream.last_seen_at <= now + _CLOCK_TOLERANCE_S else now
    slot = seen_slot(seen_at)
    return {
        **({"new_last_seen_slot": slot} if slot != stream.last_seen_slot else {}),
        "new_takes_requests": received.takes_requests,
        "stream": stream.id,
        "new_agent_version": stream.agent_version if batch.agent_version is None else batch.agent_version,
        "new_last_seen_at": seen_at,
        "new_latest_sequence": latest.sequence if latest else stream.latest_sequence,
        "new_latest_key": latest.key if latest else stream.latest_key,
        "new_latest_digest": latest.digest if latest else stream.latest_digest,
        "new_state_hash": state.hash if state else stream.state_hash,
        "new_outbox_depth": stream.outbox_depth if outbox is None else outbox.get("depth"),
        "new_outbox_last": stream.outbox_last if outbox is None else outbox.get("last_sequence"),
        "more_events": len(decided.events),
        "new_highest_event": max([stream.highest_event, *(message.sequence for message in decided.events)]),
        "more_refused": decided.refused,
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
