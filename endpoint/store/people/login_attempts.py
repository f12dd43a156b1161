"""Limits of failed logins, in the database: they hold over all processes, and after a restart."""

import hashlib
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.store.database import Database
from endpoint.store.people_tables import LOGIN_ATTEMPTS

PERIOD_S = 900
_OLD = sa.or_(LOGIN_ATTEMPTS.c.since <= sa.bindparam("begin"), LOGIN_ATTEMPTS.c.since > sa.bindparam("end"))
"""Also what a clock that was ahead has counted: it would lock people out until then."""


class LoginAttempts:
    """Counts attempts by subject: the name that is tried, and the address that tries."""

    def __init__(self, database: Database) -> None:
        self._database = database
        insert: Any = database.insert(LOGIN_ATTEMPTS)
        old = LOGIN_ATTEMPTS.c.since <= insert.excluded.since - PERIOD_S
        self._count = insert.on_conflict_do_update(
            index_elements=["subject"],
            set_={
                "since": sa.case((old, insert.excluded.since), else_=LOGIN_ATTEMPTS.c.since),
                "attempts": sa.case((old, 1), else_=LOGIN_ATTEMPTS.c.attempts + 1),
            },
        )

    def begin(self, limits: Mapping[str, int], now: datetime) -> int:
        """Count an attempt before it is made; return 0, or for how many seconds its subjects have to wait.

        `limits`: attempts in 15 minutes by subject. So any number of attempts at once cannot exceed them. Who has to
        wait already writes nothing: an address could fill the table with names.

        Raises:
            StoreError: the database does not answer.
        """
        now_s = now.timestamp()
        wait = self._database.read(lambda connection: _wait(connection, limits, now_s))
        return wait or self._database.write(lambda connection: self._begin(connection, limits, now_s))

    def _begin(self, connection: Connection, limits: Mapping[str, int], now: float) -> int:
        connection.execute(sa.delete(LOGIN_ATTEMPTS).where(_OLD), {"begin": now - PERIOD_S, "end": now + PERIOD_S})
        wait = 0.0
        for subject, digest in sorted((name, _digest(name)) for name in limits):  # in one order: no deadlock
            connection.execute(self._count, {"subject": digest, "since": now, "attempts": 1})
            found: Any = connection.execute(sa.select(LOGIN_ATTEMPTS).where(LOGIN_ATTEMPTS.c.subject == digest)).one()
            if found.attempts > limits[subject]:
                wait = max(wait, found.since + PERIOD_S - now)
        return math.ceil(wait)

    def take_back(self, limits: Mapping[str, int]) -> None:
        """Take back an attempt that has not failed: only failures count.

        Raises:
            StoreError: the database does not answer.
        """
        subjects = [_digest(subject) for subject in limits]
        change = sa.update(LOGIN_ATTEMPTS).where(LOGIN_ATTEMPTS.c.subject.in_(subjects), LOGIN_ATTEMPTS.c.attempts > 0)
        taken = change.values(attempts=LOGIN_ATTEMPTS.c.attempts - 1)
        self._database.write(lambda connection: connection.execute(taken))


def _wait(connection: Connection, limits: Mapping[str, int], now: float) -> int:
    """Return for how many seconds an attempt has to wait because of earlier ones; 0: not at all."""
    most = {_digest(subject): limit for subject, limit in limits.items()}
    since = LOGIN_ATTEMPTS.c.since
    recent = (since > now - PERIOD_S, since <= now + PERIOD_S)
    rows = connection.execute(sa.select(LOGIN_ATTEMPTS).where(LOGIN_ATTEMPTS.c.subject.in_(most), *recent))
    return max((math.ceil(row.since + PERIOD_S - now) for row in rows if row.attempts >= most[row.subject]), default=0)


def _digest(subject: str) -> str:
    """Return a key of fixed length: the name may be anything."""
    return hashlib.sha256(subject.encode("utf-8", "replace")).hexdigest()
