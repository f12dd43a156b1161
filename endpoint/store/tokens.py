"""Tokens: created, hashed, listed, revoked, and verified in constant time."""

import time
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.people import WHOLE_FLEET, Person, PersonRole, PersonVia, Scope
from endpoint.errors import UsageError
from endpoint.store.database import Database
from endpoint.store.scopes import scope_of, tags_text
from endpoint.store.secret_text import is_secret, new_secret, split_secret
from endpoint.store.tables import TOKENS

_PREFIX = "maestro"
_MAX_NAME = 64


class Role(Enum):
    """What a token permits: sending as an agent, or what a person of that role may do."""

    AGENT = "agent"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A stored token, without its secret."""

    id: str
    role: Role
    name: str
    host_id: str | None
    """The host that may use it; None: any."""
    created_at: datetime
    revoked_at: datetime | None
    scope: Scope = WHOLE_FLEET
    may_reboot: bool = False

    @property
    def person(self) -> Person | None:
        """Return whose rights it has; None: it is an agent's."""
        if self.role is Role.AGENT:
            return None
        return Person(
            name=f"token {self.name or self.id}"[:_MAX_NAME],
            role=PersonRole(self.role.value),
            may_reboot=self.may_reboot,
            scope=self.scope,
            via=PersonVia.TOKEN,
        )


class Tokens:
    """All tokens. Only a SHA-256 hash is stored; the secret is 256 random bits, so that it needs no slow hash."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        *,
        role: Role,
        name: str,
        host_id: str | None,
        now: datetime,
        scope: Scope = WHOLE_FLEET,
        may_reboot: bool = False,
    ) -> str:
        """Create a token and return its text, which is not stored."""
        with self._database.writing() as connection:
            _, text = insert_token(
                connection, role=role, name=name, host_id=host_id, now=now, scope=scope, may_reboot=may_reboot
            )
        return text

    def all(self) -> list[Token]:
        """Return every token, the oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(TOKENS).order_by(TOKENS.c.created_at)).all()
        return [_token(row) for row in rows]

    def revoke(self, identity: str, now: datetime) -> None:
        """Revoke a token.

        Raises:
            UsageError: no valid token has that id.
        """
        change = (
            sa.update(TOKENS)
            .where(TOKENS.c.id == identity, TOKENS.c.revoked_at.is_(None))
            .values(revoked_at=now.timestamp())
        )
        with self._database.writing() as connection:
            if connection.execute(change).rowcount == 0:
                raise UsageError(f"no valid token has the id {identity!r}")

    def find(self, text: str) -> Token | None:
        """Return the token of a request; None: unknown or revoked."""
        parts = split_secret(text, _PREFIX)
        if parts is None:
            return None
        identity, secret = parts
        wanted = sa.select(TOKENS).where(TOKENS.c.id == identity)
        row: Any = self._database.read(lambda connection: connection.execute(wanted).first())
        same = is_secret(secret, row.digest if row is not None else None)
        if row is None or not same or row.revoked_at is not None:
            return None
        if row.enrolment_key is not None and row.first_used_at is None and not self._mark_used(identity):
            return None
        return _token(row)

    def _mark_used(self, identity: str) -> bool:
        """Record the first use of a token that was issued by enrolment; return whether it is still valid.

        A repeated exchange revokes a token that was never used: only one of the two can come first.
        """
        unused = (TOKENS.c.id == identity, TOKENS.c.revoked_at.is_(None))
        first = sa.func.coalesce(TOKENS.c.first_used_at, time.time())
        change = sa.update(TOKENS).where(*unused).values(first_used_at=first)
        return bool(self._database.write(lambda connection: connection.execute(change).rowcount))


def insert_token(
    connection: Connection,
    *,
    role: Role,
    name: str,
    host_id: str | None,
    now: datetime,
    scope: Scope = WHOLE_FLEET,
    may_reboot: bool = False,
    enrolment_key: str | None = None,
) -> tuple[str, str]:
    """Create a token in a transaction; return its id, and its text, which is not stored."""
    identity, digest, text = new_secret(_PREFIX)
    values = {
        "id": identity, "digest": digest, "role": role.value, "name": name,
        "host_id": host_id, "created_at": now.timestamp(), "revoked_at": None,
        "tags": tags_text(scope), "may_reboot": may_reboot, "enrolment_key": enrolment_key,
    }  # fmt: skip
    connection.execute(TOKENS.insert(), values)
    return identity, text


def _token(row: Any) -> Token:
    return Token(
        id=row.id,
        role=Role(row.role),
        name=row.name,
        host_id=row.host_id,
        created_at=datetime.fromtimestamp(row.created_at, timezone.utc),
        revoked_at=datetime.fromtimestamp(row.revoked_at, timezone.utc) if row.revoked_at is not None else None,
        scope=scope_of(row.tags),
        may_reboot=row.may_reboot,
    )
