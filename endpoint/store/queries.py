"""Queries for people: the streams with their latest states, and the gaps of each."""

import json
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.fleet import Stream
from endpoint.core.gaps import Gaps, Span, expected, find_gaps
from endpoint.store.database import Database
from endpoint.store.host_tables import HOSTS, known_count
from endpoint.store.tables import EVENTS, LOSSES, REFUSALS, STATES, STREAMS

_COLUMNS = [column for column in HOSTS.columns if column.name not in {"id", "host_id", "stream", "agent_version"}]
_ALL = (
    sa.select(STREAMS, STATES.c.received_at, HOSTS.c.stream.label("shown"), *_COLUMNS)
    .select_from(STREAMS.outerjoin(STATES).outerjoin(HOSTS, HOSTS.c.stream == STREAMS.c.id))
    .where(STREAMS.c.last_seen_at >= sa.bindparam("since"))
    .order_by(STREAMS.c.host_id, STREAMS.c.id)
)
_BESIDE = (
    sa.select(STATES.c.stream, STATES.c.body)
    .join(STREAMS, STREAMS.c.id == STATES.c.stream)
    .join(HOSTS, HOSTS.c.host_id == STREAMS.c.host_id)
    .where(
        HOSTS.c.other_seen_at.is_not(None),
        STATES.c.stream != HOSTS.c.stream,
        STREAMS.c.last_seen_at >= sa.bindparam("since"),
    )
)
"""The states of streams beside the one that a host's row shows: those of clones, and of agents installed again."""
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

    def streams(
        self, now: datetime, expire_after: timedelta | None = None, *, host_ids: Collection[str] | None = None
    ) -> list[Stream]:
        """Return all streams with a contact within `expire_after`, by host, the oldest first; or those of some hosts.

        Raises:
            StoreError: the database does not answer.
        """
        since = (now - expire_after).timestamp() if expire_after is not None else 0.0
        return self._database.read(lambda connection: _streams(connection, since, host_ids))


def _streams(connection: Connection, since: float, host_ids: Collection[str] | None) -> list[Stream]:
    wanted, beside = _ALL, _BESIDE
    if host_ids is not None:
        wanted, beside = (query.where(STREAMS.c.host_id.in_(sorted(host_ids))) for query in (_ALL, _BESIDE))
    others = {row.stream: row for row in connection.execute(beside, {"since": since})}
    return [_stream(connection, row, others.get(row.id)) for row in connection.execute(wanted, {"since": since}).all()]


def _stream(connection: Connection, row: Any, other: Any) -> Stream:
    reported_at = row.received_at
    state = (_shown_state(row) if row.shown is not None else None) if other is None else json.loads(other.body)
    return Stream(
        host_id=row.host_id,
        instance_id=row.instance_id,
        agent_version=row.agent_version,
        first_seen_at=datetime.fromtimestamp(row.first_seen_at, timezone.utc),
        last_seen_at=datetime.fromtimestamp(row.last_seen_at, timezone.utc),
        reported_at=datetime.fromtimestamp(reported_at, timezone.utc) if reported_at is not None else None,
        state=state if reported_at is not None else None,
        events=row.events,
        highest_event=row.highest_event,
        refused=row.refused,
        takes_requests=row.takes_requests,
        gaps=stream_gaps(connection, row),
    )


def _shown_state(row: Any) -> dict[str, Any]:
    return {
        "host": {"name": row.name},
        "requests": {"signed": row.requests_signed},
        "health": row.health,
        "release": {"support": row.release_support, "until": row.release_until},
        "updates": {"security_pending": known_count(row.pending_count), "held": known_count(row.held_count)},
        "reboot": {
            "required": row.reboot_required,
            "since": row.reboot_since,
            "packages": [row.reboot_packages] if row.reboot_packages else [],
        },
        "kernel": {"outdated": row.kernel_outdated},
        "last_outcome": {"result": row.last_result},
        "outbox": {"depth": row.outbox_depth, "last_sequence": row.outbox_last},
    }


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
