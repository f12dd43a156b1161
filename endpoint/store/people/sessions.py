"""Sessions: 256 random bits in a cookie; only their hash is stored, so that a copy of the database logs nobody in."""

import secrets
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.people import Person, PersonRole, PersonVia
from endpoint.store.database import Database
from endpoint.store.people_tables import SESSIONS, USER_LINKS, USERS
from endpoint.store.scopes import scope_of
from endpoint.store.secret_text import secret_digest

_LENGTH = 43
_AHEAD_S = 900.0
"""A session from further ahead is of a clock that was wrong, and would last until then."""
_TOUCH_S = 60.0
"""A request within a minute of the last one writes nothing."""


class Sessions:
    """All sessions."""

    def __init__(self, database: Database, *, lifetime: timedelta, idle: timedelta) -> None:
        self._database = database
        self._lifetime_s, self._idle_s = lifetime.total_seconds(), idle.total_seconds()

    def start(self, user: str, address: str, now: datetime) -> str:
        """Start a session, and return what the cookie holds.

        Raises:
            StoreError: the database does not answer.
        """
        return self._database.write(lambda connection: start_session(connection, user, address, now))

    def find(self, secret: str, now: datetime, *, touch: bool) -> Person | None:
        """Return whose session it is; None: unknown, ended, or its person is disabled.

        `touch`: the request counts as activity of the person.

        Raises:
            StoreError: the database does not answer.
        """
        if len(secret) != _LENGTH:
            return None
        wanted = (
            sa.select(USERS, SESSIONS.c.used_at)
            .select_from(SESSIONS.join(USERS))
            .where(
                SESSIONS.c.digest == secret_digest(secret),
                SESSIONS.c.created_at > now.timestamp() - self._lifetime_s,
                SESSIONS.c.created_at <= now.timestamp() + _AHEAD_S,
                SESSIONS.c.used_at > now.timestamp() - self._idle_s,
                USERS.c.disabled_at.is_(None),
            )
        )
        row: Any = self._database.read(lambda connection: connection.execute(wanted).first())
        if row is None:
            return None
        if touch and now.timestamp() - row.used_at >= _TOUCH_S:
            touched = sa.update(SESSIONS).where(SESSIONS.c.digest == secret_digest(secret))
            change = touched.values(used_at=now.timestamp())
            self._database.write(lambda connection: connection.execute(change))
        return Person(
            name=row.name,
            role=PersonRole(row.role),
            may_reboot=row.may_reboot,
            scope=scope_of(row.tags),
            via=PersonVia.SESSION,
        )

    def end(self, secret: str) -> None:
        """End a session; of an unknown one nothing happens.

        Raises:
            StoreError: the database does not answer.
        """
        change = sa.delete(SESSIONS).where(SESSIONS.c.digest == secret_digest(secret))
        self._database.write(lambda connection: connection.execute(change))

    def delete_old(self, now: datetime) -> int:
        """Delete the sessions that have ended by time, and one-time links that have expired; return how many sessions.

        Raises:
            StoreError: the database does not answer.
        """
        too_old = SESSIONS.c.created_at <= now.timestamp() - self._lifetime_s
        ahead = SESSIONS.c.created_at > now.timestamp() + _AHEAD_S
        idle = SESSIONS.c.used_at <= now.timestamp() - self._idle_s
        change = sa.delete(SESSIONS).where(too_old | idle | ahead)
        links = sa.delete(USER_LINKS).where(USER_LINKS.c.expires_at <= now.timestamp())
        self._database.write(lambda connection: connection.execute(links))
        return self._database.write(lambda connection: int(connection.execute(change).rowcount))


def start_session(connection: Connection, user: str, address: str, now: datetime) -> str:
    """Start a session within a transaction, and return what the cookie holds."""
    secret = secrets.token_urlsafe(32)
    values = {
        "digest": secret_digest(secret), "user_name": user, "created_at": now.timestamp(),
        "used_at": now.timestamp(), "address": address[:64],
    }  # fmt: skip
    connection.execute(sa.insert(SESSIONS), values)
    return secret


def end_sessions(connection: Connection, user: str) -> None:
    """End all sessions of a person within a transaction."""
    connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.user_name == user))
