"""Deletes old data: the oldest events of each stream, the states of silent streams, and old deployments.

Each step is a small transaction, so that no message waits long for it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from itertools import takewhile

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.store.database import Database
from endpoint.store.tables import DEPLOYMENTS, EVENTS, LOSSES, REFUSALS, REQUESTS, STATES, STREAMS, UPKEEP

_STEP = 100
_PERIOD_S = 3600.0
_DAY_S = 86400.0
_LEAP_S = 7 * _DAY_S
_ONE = 1
_OLDEST = (
    sa.select(EVENTS.c.received_at).where(EVENTS.c.stream == STREAMS.c.id).order_by(EVENTS.c.sequence).limit(1)
).scalar_subquery()


class RetentionTurn(Enum):
    """Whether a deletion is due."""

    NOW = "now"
    LATER = "later"
    PUT_OFF = "put-off"
    """The clock jumped ahead, or the server was off for long: an administrator has a day to correct the clock."""


class RetentionStore:
    """Finds and deletes old data."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._first = database.insert_new(UPKEEP)

    def turn(self, now: datetime) -> RetentionTurn:
        """Return whether a deletion is due; one of several processes gets `NOW`, once an hour.

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

    def events(self, now: datetime, retention: timedelta) -> Iterator[int]:
        """Delete events received longer ago; yield the number deleted in each step.

        Only events without a newer one before them are deleted, so that no gap appears.

        Raises:
            StoreError: the database does not answer.
        """
        before = (now - retention).timestamp()
        wanted = sa.select(STREAMS.c.id).where(STREAMS.c.events > 0, before > _OLDEST)
        for stream in self._found(wanted):
            deleted = _STEP
            while deleted == _STEP:
                deleted = self._database.write(partial(_delete_events, stream=stream, before=before))
                yield deleted

    def states(self, now: datetime, expire_after: timedelta) -> Iterator[int]:
        """Delete the states of streams whose last contact is longer ago; yield the number deleted in each step.

        The stream's row stays, so that repeated messages are still duplicates.

        Raises:
            StoreError: the database does not answer.
        """
        before = (now - expire_after).timestamp()
        wanted = sa.select(STREAMS.c.id).where(STREAMS.c.last_seen_at < before, STREAMS.c.state_hash.is_not(None))
        for stream in self._found(wanted):
            yield self._database.write(partial(_delete_state, stream=stream, before=before))

    def deployments(self, now: datetime, retention: timedelta) -> Iterator[int]:
        """Delete deployments that expired longer ago, with their requests; yield the number deleted in each step.

        What people did with them stays recorded.

        Raises:
            StoreError: the database does not answer.
        """
        wanted = sa.select(DEPLOYMENTS.c.id).where(DEPLOYMENTS.c.expires_at < (now - retention).timestamp())
        with self._database.reading() as connection:
            found = connection.execute(wanted).scalars().all()
        for deployment in found:
            yield self._database.write(partial(_delete_deployment, deployment=deployment))

    def _found(self, wanted: sa.sql.Select) -> Iterator[int]:
        last = 0
        while True:
            page = wanted.where(STREAMS.c.id > last).order_by(STREAMS.c.id).limit(_STEP)
            with self._database.reading() as connection:
                streams = connection.execute(page).scalars().all()
            if not streams:
                return
            yield from streams
            last = streams[-1]


def _delete_events(connection: Connection, *, stream: int, before: float) -> int:
    connection.execute(sa.select(STREAMS.c.id).where(STREAMS.c.id == stream).with_for_update())
    oldest = (
        sa.select(EVENTS.c.sequence, EVENTS.c.received_at)
        .where(EVENTS.c.stream == stream)
        .order_by(EVENTS.c.sequence)
        .limit(_STEP)
    )
    old = list(takewhile(lambda row: row.received_at < before, connection.execute(oldest)))
    if not old:
        return 0
    upto = old[-1].sequence
    connection.execute(sa.delete(EVENTS).where(EVENTS.c.stream == stream, EVENTS.c.sequence <= upto))
    connection.execute(sa.delete(LOSSES).where(LOSSES.c.stream == stream, LOSSES.c.last_sequence <= upto))
    connection.execute(sa.delete(REFUSALS).where(REFUSALS.c.stream == stream, REFUSALS.c.sequence <= upto))
    change = sa.update(STREAMS).where(STREAMS.c.id == stream)
    connection.execute(change.values(pruned_upto=upto, events=STREAMS.c.events - len(old)))
    return len(old)


def _delete_state(connection: Connection, *, stream: int, before: float) -> int:
    silent = sa.select(STREAMS.c.id).where(STREAMS.c.id == stream, STREAMS.c.last_seen_at < before).with_for_update()
    if connection.execute(silent).first() is None:
        return 0  # it has sent a message in the meantime
    connection.execute(sa.delete(STATES).where(STATES.c.stream == stream))
    connection.execute(sa.update(STREAMS).where(STREAMS.c.id == stream).values(state_hash=None))
    return 1


def _delete_deployment(connection: Connection, *, deployment: str) -> int:
    connection.execute(sa.select(DEPLOYMENTS.c.id).where(DEPLOYMENTS.c.id == deployment).with_for_update())
    connection.execute(sa.delete(REQUESTS).where(REQUESTS.c.deployment == deployment))
    return int(connection.execute(sa.delete(DEPLOYMENTS).where(DEPLOYMENTS.c.id == deployment)).rowcount)
