"""Logins: what a password and a code are compared with, and what a login changes, in one transaction each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.audit import AuditAction
from endpoint.store.audit import note_in
from endpoint.store.database import Database
from endpoint.store.people.sessions import end_sessions, start_session
from endpoint.store.people.users import LinkPurpose
from endpoint.store.people_tables import USER_LINKS, USERS
from endpoint.store.secret_text import secret_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What a person proves to know; nothing of it is shown or logged."""

    name: str
    password: str | None
    """As `core.passwords` makes it; None: none was set."""
    totp: bytes | None
    totp_pending: bytes | None
    totp_step: int | None
    """The last step whose code was used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """What a login has proved, and from where."""

    of: Secrets
    """What was compared: a login counts only while these are the person's."""
    step: int | None
    """The time step of the code; None: the person uses none."""
    address: str
    at: datetime
    password: str | None = None
    """A new hash of the password, to be stored; None: the stored one stays."""

    @property
    def name(self) -> str:
        """The person's."""
        return self.of.name


class Logins:
    """Carries out logins, and the changes that a person makes to the own login."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def secrets(self, name: str) -> Secrets | None:
        """Return what a login is compared with; None: no such person, or a disabled one.

        Raises:
            StoreError: the database does not answer.
        """
        wanted = sa.select(USERS).where(USERS.c.name == name, USERS.c.disabled_at.is_(None))
        row = self._database.read(lambda connection: connection.execute(wanted).first())
        return _secrets(row) if row is not None else None

    def start(self, proved: Proved) -> str | None:
        """Log a person in; return the session's secret. None: disabled or changed by now, or the code was used by now.

        Raises:
            StoreError: the database does not answer.
        """
        return self._database.write(lambda connection: _start(connection, proved))

    def link(self, secret: str, now: datetime) -> tuple[Secrets, LinkPurpose] | None:
        """Return whose one-time link it is, and for what; None: unknown, used, expired, or the person is disabled.

        Raises:
            StoreError: the database does not answer.
        """
        wanted = (
            sa.select(USERS, USER_LINKS.c.purpose)
            .select_from(USER_LINKS.join(USERS))
            .where(
                USER_LINKS.c.digest == secret_digest(secret),
                USER_LINKS.c.expires_at > now.timestamp(),
                USERS.c.disabled_at.is_(None),
            )
        )
        row: Any = self._database.read(lambda connection: connection.execute(wanted).first())
        return (_secrets(row), LinkPurpose(row.purpose)) if row is not None else None

    def use_link(self, secret: str, proved: Proved) -> str | None:
        """Use a link up and log its person in; with a new password all other sessions end. None: it was used by now.

        Raises:
            StoreError: the database does not answer.
        """
        return self._database.write(lambda connection: _use_link(connection, secret, proved))

    def set_password(self, proved: Proved) -> str | None:
        """Set a new password and end all sessions; return the secret of a new one. None: disabled by now.

        Raises:
            StoreError: the database does not answer.
        """
        return self._database.write(lambda connection: _set_password(connection, proved))

    def propose_totp(self, name: str, secret: bytes) -> None:
        """Store a secret for codes, unless there is one; it counts once `enable_totp` has seen a code of it.

        Raises:
            StoreError: the database does not answer.
        """
        none_yet = (USERS.c.name == name, USERS.c.totp_secret.is_(None), USERS.c.totp_pending.is_(None))
        change = sa.update(USERS).where(*none_yet).values(totp_pending=secret.hex())
        self._database.write(lambda connection: connection.execute(change))

    def enable_totp(self, proved: Proved, secret: bytes) -> bool:
        """Let this secret count, of which `proved` has a code; False: it is not the proposed one by now.

        Raises:
            StoreError: the database does not answer.
        """
        proposed = USERS.c.totp_pending == secret.hex()
        values = {"totp_secret": secret.hex(), "totp_pending": None, "totp_step": proved.step}
        return self._database.write(
            lambda connection: _set_totp(connection, proved, proposed, values, AuditAction.TOTP_ENABLED)
        )

    def disable_totp(self, proved: Proved) -> bool:
        """Let the person log in by password alone; False: that is so by now, or the code was used by now.

        Raises:
            StoreError: the database does not answer.
        """
        in_use = USERS.c.totp_secret.is_not(None) & _is_unused(proved)
        values = {"totp_secret": None, "totp_pending": None, "totp_step": None}
        return self._database.write(
            lambda connection: _set_totp(connection, proved, in_use, values, AuditAction.TOTP_DISABLED)
        )


def _start(connection: Connection, proved: Proved) -> str | None:
    if not _prove(connection, proved):
        return None
    if proved.password is not None:  # the same one, hashed with today's parameters
        changed = sa.update(USERS).where(USERS.c.name == proved.name)
        connection.execute(changed.values(password=proved.password))
    return _session(connection, proved, "by password")


def _use_link(connection: Connection, secret: str, proved: Proved) -> str | None:
    mine = (USER_LINKS.c.digest == secret_digest(secret)) & (USER_LINKS.c.expires_at > proved.at.timestamp())
    if not _prove(connection, proved) or connection.execute(sa.delete(USER_LINKS).where(mine)).rowcount != 1:
        return None
    if proved.password is not None:
        _replace_password(connection, proved)
    return _session(connection, proved, "by one-time link")


def _set_password(connection: Connection, proved: Proved) -> str | None:
    if not _prove(connection, proved):
        return None
    _replace_password(connection, proved)
    return _session(connection, proved, "with a new password")


def _prove(connection: Connection, proved: Proved) -> bool:
    """Use the code up; False: the person is disabled by now, has other secrets, or another request has used it."""
    usable = (*_is_as_compared(proved), _is_unused(proved))
    values: dict[str, object] = {"last_login_at": proved.at.timestamp()}
    if proved.step is not None:
        values["totp_step"] = proved.step
    return bool(connection.execute(sa.update(USERS).where(*usable).values(**values)).rowcount == 1)


def _is_as_compared(proved: Proved) -> tuple[sa.sql.ColumnElement, ...]:
    """Return the conditions that the person may log in with what was compared: scrypt takes a while."""
    totp = proved.of.totp.hex() if proved.of.totp is not None else None
    return (
        USERS.c.name == proved.name,
        USERS.c.disabled_at.is_(None),
        USERS.c.password.is_not_distinct_from(proved.of.password),
        USERS.c.totp_secret.is_not_distinct_from(totp),
    )


def _is_unused(proved: Proved) -> sa.sql.ColumnElement:
    """Return the condition that no other request has used the code; true for who uses none."""
    if proved.step is None:
        return sa.true()
    return sa.or_(USERS.c.totp_step.is_(None), USERS.c.totp_step < proved.step)


def _session(connection: Connection, proved: Proved, how: str) -> str:
    note_in(connection, proved.at, proved.name, AuditAction.LOGGED_IN, proved.name, how, address=proved.address)
    return start_session(connection, proved.name, proved.address, proved.at)


def _replace_password(connection: Connection, proved: Proved) -> None:
    changed = sa.update(USERS).where(USERS.c.name == proved.name)
    connection.execute(changed.values(password=proved.password, password_set_at=proved.at.timestamp()))
    end_sessions(connection, proved.name)
    connection.execute(sa.delete(USER_LINKS).where(USER_LINKS.c.user_name == proved.name))
    note_in(connection, proved.at, proved.name, AuditAction.PASSWORD_SET, proved.name, address=proved.address)


def _set_totp(
    connection: Connection,
    proved: Proved,
    condition: sa.sql.ColumnElement,
    values: Mapping[str, object],
    action: AuditAction,
) -> bool:
    """Write these values if the condition still holds: of two equal requests at once, one changes and notes it."""
    wanted = (*_is_as_compared(proved), condition)
    if connection.execute(sa.update(USERS).where(*wanted).values(**values)).rowcount != 1:
        return False
    note_in(connection, proved.at, proved.name, action, proved.name, address=proved.address)
    return True


def _secrets(row: Any) -> Secrets:
    return Secrets(
        name=row.name,
        password=row.password,
        totp=bytes.fromhex(row.totp_secret) if row.totp_secret else None,
        totp_pending=bytes.fromhex(row.totp_pending) if row.totp_pending else None,
        totp_step=row.totp_step,
    )
