"""Throws away what was kept long enough: of each stream the oldest events, and the states of those that fell silent.

Each step is a small transaction of its own, so that no message waits long for it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from itertools import takewhile

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.store.database import Database
from endpoint.store.tables import EVENTS, LOSSES, REFUSALS, STATES, STREAMS, UPKEEP

_AT_ONCE = 100
_PERIOD_S = 3600.0
_DAY_S = 86400.0
_LEAP_S = 7 * _DAY_S
_ONE = 1
_OLDEST = (
    sa.select(EVENTS.c.received_at).where(EVENTS.c.stream == STREAMS.c.id).order_by(EVENTS.c.sequence).limit(1)
).scalar_subquery()


class RetentionTurn(Enum):
    """Whether it is time."""

    NOW = "now"
    LATER = "later"
    PUT_OFF = "put-off"
    """The clock went far ahead, or nobody was here for long: somebody may yet see that, and set it right."""


class RetentionStore:
    """What is old, and how it goes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._first = database.insert_new(UPKEEP)

    def turn(self, now: datetime) -> RetentionTurn:
        """Find out whether it is time; of many processes one is told so, and for the next hour none.

        Raises:
            StoreError: the database does not answer.
        """
        moment = now.timestamp()
        with self._database.reading() as connection:
            due = connection.execute(sa.select(UPKEEP.c.due_at)).scalar()
        if due is not None and moment < due <= moment + _DAY_S:
            return RetentionTurn.LATER
        return self._database.write(lambda connection: self._claim(connection, moment))

    def _claim(self, connection: Connection, now: float) -> RetentionTurn:
        due = connection.execute(sa.select(UPKEEP.c.due_at).with_for_update()).scalar()
        if due is None:
            connection.execute(self._first, {"id": _ONE, "due_at": now + _PERIOD_S})
            return RetentionTurn.LATER
        if now < due <= now + _DAY_S:
            return RetentionTurn.LATER  # another process was first
        turn = (
            RetentionTurn.LATER if now < due else RetentionTurn.NOW if now - due <= _LEAP_S else RetentionTurn.PUT_OFF
        )
        following = now + (_DAY_S if turn is RetentionTurn.PUT_OFF else _PERIOD_S)
        connection.execute(sa.update(UPKEEP).values(due_at=following))
        return turn

    def events(self, now: datetime, kept_for: timedelta) -> Iterator[int]:
        """Throw away events that came longer ago; yield after each step how many went.

        Of a stream only those go that nothing younger precedes, so that no hole comes into being.

        Raises:
            StoreError: the database does not answer.
        """
        before = (now - kept_for).timestamp()
        wanted = sa.select(STREAMS.c.id).where(STREAMS.c.events > 0, before > _OLDEST)
        for stream in self._found(wanted):
            gone = _AT_ONCE
            while gone == _AT_ONCE:
                gone = self._database.write(partial(_prune, stream=stream, before=before))
                yield gone

    def states(self, now: datetime, silent_for: timedelta) -> Iterator[int]:
        """Throw away the states of streams that were heard of longer ago; yield after each step how many went.

        A few numbers of each stream stay, so that what comes again is known again.

        Raises:
            StoreError: the database does not answer.
        """
        before = (now - silent_for).timestamp()
        wanted = sa.select(STREAMS.c.id).where(STREAMS.c.last_seen_at < before, STREAMS.c.state_hash.is_not(None))
        for stream in self._found(wanted):
            yield self._database.write(partial(_forget, stream=stream, before=before))

    def _found(self, wanted: sa.sql.Select) -> Iterator[int]:
        last = 0
        while True:
            page = wanted.where(STREAMS.c.id > last).order_by(STREAMS.c.id).limit(_AT_ONCE)
            with self._database.reading() as connection:
                streams = connection.execute(page).scalars().all()
            if not streams:
                return
            yield from streams
            last = streams[-1]


def _prune(connection: Connection, *, stream: int, before: float) -> int:
    connection.execute(sa.select(STREAMS.c.id).where(STREAMS.c.id == stream).with_for_update())
    oldest = (
        sa.select(EVENTS.c.sequence, EVENTS.c.received_at)
        .where(EVENTS.c.stream == stream)
        .order_by(EVENTS.c.sequence)
        .limit(_AT_ONCE)
    )
    going = list(takewhile(lambda row: row.received_at < before, connection.execute(oldest)))
    if not going:
        return 0
    upto = going[-1].sequence
    connection.execute(sa.delete(EVENTS).where(EVENTS.c.stream == stream, EVENTS.c.sequence <= upto))
    connection.execute(sa.delete(LOSSES).where(LOSSES.c.stream == stream, LOSSES.c.last_sequence <= upto))
    connection.execute(sa.delete(REFUSALS).where(REFUSALS.c.stream == stream, REFUSALS.c.sequence <= upto))
    change = sa.update(STREAMS).where(STREAMS.c.id == stream)
    connection.execute(change.values(pruned_upto=upto, events=STREAMS.c.events - len(going)))
    return len(going)


def _forget(connection: Connection, *, stream: int, before: float) -> int:
    silent = sa.select(STREAMS.c.id).where(STREAMS.c.id == stream, STREAMS.c.last_seen_at < before).with_for_update()
    if connection.execute(silent).first() is None:
        return 0  # it spoke in the meantime
    connection.execute(sa.delete(STATES).where(STATES.c.stream == stream))
    connection.execute(sa.update(STREAMS).where(STREAMS.c.id == stream).values(state_hash=None))
    return 1
