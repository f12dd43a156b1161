"""Queries for people: the streams with their latest states, and the gaps of each."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.fleet import Stream
from endpoint.core.gaps import Gaps, Span, expected, find_gaps
from endpoint.store.database import Database
from endpoint.store.tables import EVENTS, LOSSES, REFUSALS, STATES, STREAMS

_ALL = (
    sa.select(STREAMS, STATES.c.body.label("state"), STATES.c.received_at.label("reported_at"))
    .select_from(STREAMS.outerjoin(STATES))
    .where(STREAMS.c.last_seen_at >= sa.bindparam("since"))
    .order_by(STREAMS.c.host_id, STREAMS.c.id)
)
_NO_GAPS = Gaps()


class FleetQueries:
    """All queries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def check(self) -> None:
        """Check that the database answers.

        Raises:
            StoreError: it does not answer.
        """
        self._database.read(lambda connection: connection.execute(sa.select(sa.literal(1))).all())

    def streams(self, now: datetime, expire_after: timedelta | None = None) -> list[Stream]:
        """Return all streams with a contact within `expire_after`, by host, the oldest first."""
        since = (now - expire_after).timestamp() if expire_after is not None else 0.0
        return self._database.read(lambda connection: _streams(connection, since))


def _streams(connection: Connection, since: float) -> list[Stream]:
    rows = connection.execute(_ALL, {"since": since}).all()
    return [_stream(connection, row) for row in rows]


def _stream(connection: Connection, row: Any) -> Stream:
    state = json.loads(row.state) if row.state is not None else None
    return Stream(
        host_id=row.host_id,
        instance_id=row.instance_id,
        agent_version=row.agent_version,
        first_seen_at=datetime.fromtimestamp(row.first_seen_at, timezone.utc),
        last_seen_at=datetime.fromtimestamp(row.last_seen_at, timezone.utc),
        reported_at=datetime.fromtimestamp(row.reported_at, timezone.utc) if row.reported_at is not None else None,
        state=state,
        events=row.events,
        highest_event=row.highest_event,
        refused=row.refused,
        takes_requests=row.takes_requests,
        gaps=stream_gaps(connection, row),
    )


def stream_gaps(connection: Connection, row: Any) -> Gaps:
    """Return the gaps of a row of `streams`."""
    upto = expected(row.highest_event, row.outbox_last, row.outbox_depth)
    return _gaps(connection, row, int(upto)) if upto - row.pruned_upto > row.events else _NO_GAPS


def _gaps(connection: Connection, row: Any, upto: int) -> Gaps:
    stream = row.id
    lost = connection.execute(
        sa.select(LOSSES.c.first_sequence, LOSSES.c.last_sequence).where(LOSSES.c.stream == stream)
    )
    refused = connection.execute(sa.select(REFUSALS.c.sequence).where(REFUSALS.c.stream == stream)).scalars()
    return find_gaps(
        _present(connection, stream),
        upto,
        [Span(first=first, last=last) for first, last in lost if first <= last],
        list(refused),
        after=row.pruned_upto,
    )


def _present(connection: Connection, stream: int) -> Iterator[int]:
    wanted = sa.select(EVENTS.c.sequence).where(EVENTS.c.stream == stream).order_by(EVENTS.c.sequence)
    yield from connection.execute(wanted).scalars()
