"""People who may log in, or whom the proxy's single sign-on names."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.people import PersonRole, Scope
from endpoint.errors import UsageError
from endpoint.store.database import Database
from endpoint.store.people.sessions import end_sessions
from endpoint.store.people_tables import USER_LINKS, USERS
from endpoint.store.scopes import scope_of, tags_text
from endpoint.store.secret_text import secret_digest

LINK_LIFETIME = timedelta(hours=24)


class LinkPurpose(Enum):
    """What a one-time link is good for."""

    PASSWORD = "password"  # noqa: S105 - not a secret
    """Its holder sets a new password, which ends all sessions."""
    LOGIN = "login"
    """Its holder is logged in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A stored person, without secrets."""

    name: str
    role: PersonRole
    may_reboot: bool
    scope: Scope
    created_at: datetime
    disabled_at: datetime | None
    last_login_at: datetime | None
    has_password: bool
    has_totp: bool


class Users:
    """All people."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, role: PersonRole, scope: Scope, now: datetime, *, may_reboot: bool) -> None:
        """Add a person, who cannot log in before a link was used.

        Raises:
            StoreError: the database does not answer.
            UsageError: the name is taken.
        """
        values = {
            "name": name, "role": role.value, "may_reboot": may_reboot, "tags": tags_text(scope),
            "created_at": now.timestamp(),
        }  # fmt: skip
        insert = self._database.insert_new(USERS)
        if self._database.write(lambda connection: connection.execute(insert, values).rowcount) != 1:
            raise UsageError(f"there is a person {name} already")

    def all(self) -> list[User]:
        """Return everybody, by name.

        Raises:
            StoreError: the database does not answer.
        """
        wanted = sa.select(USERS).order_by(USERS.c.name)
        return [_user(row) for row in self._database.read(lambda connection: connection.execute(wanted).all())]

    def find(self, name: str) -> User | None:
        """Return a person; None: there is none of that name.

        Raises:
            StoreError: the database does not answer.
        """
        wanted = sa.select(USERS).where(USERS.c.name == name)
        row = self._database.read(lambda connection: connection.execute(wanted).first())
        return _user(row) if row is not None else None

    def change(self, name: str, role: PersonRole, scope: Scope, *, may_reboot: bool) -> None:
        """Set what a person may do; open sessions have the new rights from their next request on.

        Raises:
            StoreError: the database does not answer.
            UsageError: there is no such person.
        """
        self._set(name, {"role": role.value, "tags": tags_text(scope), "may_reboot": may_reboot})

    def disable(self, name: str, now: datetime) -> None:
        """Disable a person: all sessions and links end at once.

        Raises:
            StoreError: the database does not answer.
            UsageError: there is no such person.
        """
        self._set(name, {"disabled_at": now.timestamp()}, ends_sessions=True)

    def enable(self, name: str) -> None:
        """Let a disabled person log in again.

        Raises:
            StoreError: the database does not answer.
            UsageError: there is no such person.
        """
        self._set(name, {"disabled_at": None})

    def remove_totp(self, name: str) -> None:
        """Remove the second factor of a person who has lost it; all sessions end.

        Raises:
            StoreError: the database does not answer.
            UsageError: there is no such person.
        """
        self._set(name, {"totp_secret": None, "totp_pending": None, "totp_step": None}, ends_sessions=True)

    def link(self, name: str, purpose: LinkPurpose, now: datetime) -> str:
        """Make a one-time link and return its secret; an earlier one of this person is no longer valid.

        Raises:
            StoreError: the database does not answer.
            UsageError: there is no such person, or the person is disabled.
        """
        return self._database.write(lambda connection: _link(connection, name, purpose, now))

    def _set(self, name: str, values: dict[str, object], *, ends_sessions: bool = False) -> None:
        self._database.write(lambda connection: _set(connection, name, values, ends_sessions=ends_sessions))


def _set(connection: Connection, name: str, values: dict[str, object], *, ends_sessions: bool) -> None:
    if connection.execute(sa.update(USERS).where(USERS.c.name == name).values(**values)).rowcount != 1:
        raise UsageError(f"there is no person {name}")
    if ends_sessions:
        end_sessions(connection, name)
        connection.execute(sa.delete(USER_LINKS).where(USER_LINKS.c.user_name == name))


def _link(connection: Connection, name: str, purpose: LinkPurpose, now: datetime) -> str:
    found: Any = connection.execute(sa.select(USERS.c.disabled_at).where(USERS.c.name == name)).first()
    if found is None:
        raise UsageError(f"there is no person {name}")
    if found.disabled_at is not None:
        raise UsageError(f"{name} is disabled; `maestro-endpoint user enable {name}` first")
    connection.execute(sa.delete(USER_LINKS).where(USER_LINKS.c.user_name == name))
    secret = secrets.token_urlsafe(32)
    values = {
        "digest": secret_digest(secret), "user_name": name, "purpose": purpose.value,
        "expires_at": (now + LINK_LIFETIME).timestamp(),
    }  # fmt: skip
    connection.execute(sa.insert(USER_LINKS), values)
    return secret


def _user(row: Any) -> User:
    return User(
        name=row.name,
        role=PersonRole(row.role),
        may_reboot=row.may_reboot,
        scope=scope_of(row.tags),
        created_at=datetime.fromtimestamp(row.created_at, timezone.utc),
        disabled_at=_time(row.disabled_at),
        last_login_at=_time(row.last_login_at),
        has_password=row.password is not None,
        has_totp=row.totp_secret is not None,
    )


def _time(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, timezone.utc) if seconds is not None else None
