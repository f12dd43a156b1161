"""One sender over all processes: a duty that one process has for a time, and renews."""

import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.notify.conditions import Watch, watched
from endpoint.store.database import Database
from endpoint.store.notify_tables import NOTIFY_SENDER

LEASE_S = 90.0
_RENEW_S = 45.0
_ROW = 1


class SenderTurn:
    """This process's claim to the duty."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._holder = str(uuid.uuid4())
        self._first = database.insert_new(NOTIFY_SENDER)

    def is_mine(self, now: float) -> bool:
        """Return whether this process is the sender for the next 45 seconds, at least.

        Raises:
            StoreError: the database does not answer.
        """
        row = self._database.read(_row)
        if row is not None and row.holder == self._holder and _RENEW_S < row.until - now <= LEASE_S:
            return True
        if row is not None and row.holder != self._holder and _is_held(row, now):
            return False
        return self._database.write(lambda connection: self._claim(connection, now))

    def watch(self, now: float) -> Watch:
        """Record that this process looks for what is new; return since when the endpoint has been up without a gap.

        Raises:
            StoreError: the database does not answer.
        """
        return self._database.write(lambda connection: _watch(connection, now))

    def _claim(self, connection: Connection, now: float) -> bool:
        connection.execute(self._first, {"id": _ROW, "holder": self._holder, "until": 0.0})
        row = _row(connection, lock=True)
        if row.holder != self._holder and _is_held(row, now):
            return False  # another process was first
        connection.execute(sa.update(NOTIFY_SENDER).values(holder=self._holder, until=now + LEASE_S))
        return True


def _row(connection: Connection, *, lock: bool = False) -> Any:
    wanted = sa.select(NOTIFY_SENDER).where(NOTIFY_SENDER.c.id == _ROW)
    return connection.execute(wanted.with_for_update() if lock else wanted).first()


def _is_held(row: Any, now: float) -> bool:
    """Whether another process has the duty; one that is far in the future was taken by a wrong clock."""
    return bool(now < row.until <= now + 2 * LEASE_S)


def _watch(connection: Connection, now: float) -> Watch:
    row = _row(connection, lock=True)
    known = row is not None and row.watching_since is not None and row.watched_at is not None
    made = watched(Watch(since=row.watching_since, at=row.watched_at) if known else None, now)
    connection.execute(sa.update(NOTIFY_SENDER).values(watching_since=made.since, watched_at=made.at))
    return made
