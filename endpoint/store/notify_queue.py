"""The queue of notifications: what is to be sent, on which channel, and when again."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.notify.retry import GIVE_UP_S, LATEST_S, is_given_up
from endpoint.store.database import Database
from endpoint.store.notify_tables import NOTIFICATIONS

_AT_ONCE = 20
_KEPT_S = 30 * 86400.0
_MAX_FAILURE = 512
_GONE = "the configuration no longer has this channel"
_OPEN = NOTIFICATIONS.c.ended_at.is_(None)
_DUE = (
    sa.select(NOTIFICATIONS)
    .where(
        _OPEN,
        NOTIFICATIONS.c.channel == sa.bindparam("of"),
        sa.or_(NOTIFICATIONS.c.due_at <= sa.bindparam("now"), NOTIFICATIONS.c.due_at > sa.bindparam("latest")),
    )
    .order_by(NOTIFICATIONS.c.created_at, NOTIFICATIONS.c.id)
    .limit(_AT_ONCE)
)
_ONE = sa.and_(NOTIFICATIONS.c.id == sa.bindparam("of_id"), NOTIFICATIONS.c.channel == sa.bindparam("of_channel"))
_ATTEMPT = sa.update(NOTIFICATIONS).where(_ONE, _OPEN).values(attempts=NOTIFICATIONS.c.attempts + 1)
_DELIVERED = sa.update(NOTIFICATIONS).where(_ONE).values(ended_at=sa.bindparam("at"), delivered=True, failure=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedNotification:
    """A notification on one channel; times in Unix seconds."""

    id: str
    channel: str
    document: Mapping[str, Any]
    created_at: float
    attempts: int
    ended_at: float | None
    delivered: bool
    failure: str | None


class NotificationQueue:
    """The queue; what it returns is durable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, channel: str, now: float) -> list[QueuedNotification]:
        """Return what is to be sent on a channel now, the oldest first.

        Raises:
            StoreError: the database does not answer.
        """
        values = {"of": channel, "now": now, "latest": now + LATEST_S}
        return self._database.read(lambda connection: [_read(row) for row in connection.execute(_DUE, values)])

    def attempt(self, one: QueuedNotification) -> None:
        """Count an attempt, before it is made: after a crash the receiver may have it.

        Raises:
            StoreError: the database does not answer.
        """
        self._write(_ATTEMPT, {"of_id": one.id, "of_channel": one.channel})

    def delivered(self, one: QueuedNotification, now: float) -> None:
        """Record that the receiver has it.

        Raises:
            StoreError: the database does not answer.
        """
        self._write(_DELIVERED, {"of_id": one.id, "of_channel": one.channel, "at": now})

    def failed(self, one: QueuedNotification, failure: str, now: float, delay_s: float, *, alone: bool = False) -> bool:
        """Put it off, and unless `alone` all others of its channel; return whether it is given up as too old.

        Raises:
            StoreError: the database does not answer.
        """
        given_up = is_given_up(one.created_at, now)
        mine = sa.and_(NOTIFICATIONS.c.id == one.id, NOTIFICATIONS.c.channel == one.channel)
        until = now + delay_s
        outcome = {"failure": failure[:_MAX_FAILURE], "due_at": until, **({"ended_at": now} if given_up else {})}
        # One that was refused by itself may wait for longer.
        others = sa.and_(_OPEN, NOTIFICATIONS.c.channel == one.channel, NOTIFICATIONS.c.due_at < until)

        def work(connection: Connection) -> None:
            connection.execute(sa.update(NOTIFICATIONS).where(mine).values(**outcome))
            if not alone:
                connection.execute(sa.update(NOTIFICATIONS).where(others).values(due_at=until))

        self._database.write(work)
        return given_up

    def recent(self, most: int) -> list[QueuedNotification]:
        """Return the latest ones, the newest first.

        Raises:
            StoreError: the database does not answer.
        """
        latest = sa.select(NOTIFICATIONS).order_by(NOTIFICATIONS.c.created_at.desc(), NOTIFICATIONS.c.id).limit(most)
        return self._database.read(lambda connection: [_read(row) for row in connection.execute(latest)])

    def counts(self) -> tuple[int, int]:
        """Return how many notifications wait, and how many were given up and are still on record.

        Raises:
            StoreError: the database does not answer.
        """
        given_up = sa.and_(NOTIFICATIONS.c.ended_at.is_not(None), NOTIFICATIONS.c.delivered.is_(False))

        def work(connection: Connection) -> tuple[int, int]:
            numbers = [
                connection.execute(sa.select(sa.func.count()).select_from(NOTIFICATIONS).where(which)).scalar()
                for which in (_OPEN, given_up)
            ]
            return int(numbers[0] or 0), int(numbers[1] or 0)

        return self._database.read(work)

    def give_up_others(self, channels: Collection[str], now: float) -> int:
        """Give up what is too old and was queued on no channel of these, which nobody sends; return how many.

        Raises:
            StoreError: the database does not answer.
        """
        gone = sa.and_(_OPEN, NOTIFICATIONS.c.channel.not_in(channels), NOTIFICATIONS.c.created_at < now - GIVE_UP_S)
        given_up = sa.update(NOTIFICATIONS).where(gone).values(ended_at=now, failure=_GONE)
        return self._database.write(lambda connection: int(connection.execute(given_up).rowcount))

    def forget(self, now: float) -> int:
        """Delete what ended more than 30 days ago; return how many.

        Raises:
            StoreError: the database does not answer.
        """
        old = sa.delete(NOTIFICATIONS).where(NOTIFICATIONS.c.ended_at < now - _KEPT_S)
        return self._database.write(lambda connection: int(connection.execute(old).rowcount))

    def _write(self, statement: Any, values: Mapping[str, object]) -> None:
        self._database.write(lambda connection: connection.execute(statement, values))


def enqueue(connection: Connection, document: Mapping[str, Any], channels: Iterable[str], now: float) -> None:
    """Queue a notification on each channel, in the caller's transaction."""
    rows = [
        {
            "id": document["id"], "channel": channel, "kind": document["kind"], "document": json.dumps(document),
            "created_at": now, "attempts": 0, "due_at": now, "delivered": False,
        }
        for channel in channels
    ]  # fmt: skip
    if rows:
        connection.execute(sa.insert(NOTIFICATIONS), rows)


def _read(row: Any) -> QueuedNotification:
    return QueuedNotification(
        id=row.id,
        channel=row.channel,
        document=json.loads(row.document),
        created_at=row.created_at,
        attempts=row.attempts,
        ended_at=row.ended_at,
        delivered=row.delivered,
        failure=row.failure,
    )
