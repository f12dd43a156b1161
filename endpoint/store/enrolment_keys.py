"""Enrolment keys: created, hashed, listed, revoked, and verified in constant time; as `tokens`, but apart from them."""

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.enrolment import EnrolmentKey, EnrolmentStatus
from endpoint.store.database import Database
from endpoint.store.enrolment_tables import ENROLMENT_KEYS, ENROLMENTS
from endpoint.store.secret_text import is_secret, new_secret, split_secret

_PREFIX = "maestro-enrol"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEnrolmentKey:
    """A key as `token list` shows it."""

    key: EnrolmentKey
    created_at: datetime
    revoked_at: datetime | None


class EnrolmentKeys:
    """All keys. Only a SHA-256 hash is stored; the secret is 256 random bits, so that it needs no slow hash."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        *,
        name: str,
        tags: tuple[str, ...],
        max_uses: int | None,
        expires_at: datetime | None,
        approve: bool,
        now: datetime,
    ) -> str:
        """Create a key and return its text, which is not stored.

        Raises:
            StoreError: the database does not answer.
        """
        identity, digest, text = new_secret(_PREFIX)
        values = {
            "id": identity, "digest": digest, "name": name, "tags": json.dumps(sorted(set(tags))),
            "approve": approve, "max_uses": max_uses, "uses": 0, "revoked_at": None,
            "expires_at": expires_at.timestamp() if expires_at is not None else None, "created_at": now.timestamp(),
        }  # fmt: skip
        with self._database.writing() as connection:
            connection.execute(ENROLMENT_KEYS.insert(), values)
        return text

    def all(self) -> list[StoredEnrolmentKey]:
        """Return every key, the oldest first.

        Raises:
            StoreError: the database does not answer.
        """
        wanted = sa.select(ENROLMENT_KEYS).order_by(ENROLMENT_KEYS.c.created_at)
        rows: Any = self._database.read(lambda connection: connection.execute(wanted).all())
        return [
            StoredEnrolmentKey(
                key=enrolment_key(row), created_at=_time(row.created_at), revoked_at=_time_or_none(row.revoked_at)
            )
            for row in rows
        ]

    def revoke(self, identity: str, now: datetime) -> bool:
        """Revoke a key; return whether there was a valid one. Tokens that were issued with it stay valid.

        Who waits with it, or was approved, does so no more: nothing would come of it.

        Raises:
            StoreError: the database does not answer.
        """
        change = (
            sa.update(ENROLMENT_KEYS)
            .where(ENROLMENT_KEYS.c.id == identity, ENROLMENT_KEYS.c.revoked_at.is_(None))
            .values(revoked_at=now.timestamp())
        )
        with self._database.writing() as connection:
            was_valid = bool(connection.execute(change).rowcount)
            if was_valid:
                _end_waiting(connection, identity)
        return was_valid

    def find(self, text: str) -> str | None:
        """Return the id of the key of a request; None: unknown or revoked. It may be expired or used up.

        Raises:
            StoreError: the database does not answer.
        """
        parts = split_secret(text, _PREFIX)
        if parts is None:
            return None
        identity, secret = parts
        wanted = sa.select(ENROLMENT_KEYS).where(ENROLMENT_KEYS.c.id == identity)
        row: Any = self._database.read(lambda connection: connection.execute(wanted).first())
        same = is_secret(secret, row.digest if row is not None else None)
        return identity if row is not None and same and row.revoked_at is None else None


def _end_waiting(connection: Connection, key: str) -> None:
    open_ones = [EnrolmentStatus.WAITING.value, EnrolmentStatus.APPROVED.value]
    those = sa.and_(ENROLMENTS.c.key_id == key, ENROLMENTS.c.status.in_(open_ones))
    connection.execute(sa.delete(ENROLMENTS).where(those, ENROLMENTS.c.token_id.is_(None)))
    connection.execute(sa.update(ENROLMENTS).where(those).values(status=EnrolmentStatus.ENROLLED.value, why=None))


def enrolment_key(row: Any) -> EnrolmentKey:
    """Return a key from its row."""
    return EnrolmentKey(
        id=row.id,
        expires_at=_time_or_none(row.expires_at),
        max_uses=row.max_uses,
        uses=row.uses,
        approve=row.approve,
        tags=tuple(json.loads(row.tags)),
        name=row.name,
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _time_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else _time(seconds)
