"""Notes that people write about a host; they stay here and are never sent to it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.errors import UsageError
from endpoint.store.database import Database
from endpoint.store.tables import METADATA

MAX_TEXT = 2000
_MOST = 100
_MAX_ID = 2**31 - 1
"""An address can name a larger one, which no database takes."""

HOST_NOTES = sa.Table(
    "host_notes",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("host_id", sa.String(36), nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("person", sa.String(64), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNote:
    """A note."""

    id: int
    at_s: float
    person: str
    text: str


class HostNotes:
    """All notes. All methods raise `StoreError` if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, host_id: str) -> tuple[HostNote, ...]:
        """Return the notes about a host, the latest first."""
        wanted = sa.select(HOST_NOTES).where(HOST_NOTES.c.host_id == host_id).order_by(HOST_NOTES.c.id.desc())
        rows = self._database.read(lambda connection: connection.execute(wanted).all())
        return tuple(HostNote(id=row.id, at_s=row.at, person=row.person, text=row.text) for row in rows)

    def add(self, host_id: str, person: str, text: str, at: datetime) -> None:
        """Add a note.

        Raises:
            UsageError: it is empty or too long, or the host has too many.
        """
        if not text.strip() or len(text) > MAX_TEXT or "\0" in text:
            raise UsageError(f"a note has 1 to {MAX_TEXT} characters")
        values = {"host_id": host_id, "at": at.timestamp(), "person": person[:64], "text": text}
        self._database.write(lambda connection: _add(connection, values))

    def delete(self, host_id: str, note: int) -> str:
        """Delete a note of this host; return its text.

        Raises:
            UsageError: the host has no such note.
        """
        return self._database.write(lambda connection: _delete(connection, host_id, note))


def _add(connection: Connection, values: dict[str, Any]) -> None:
    of_it = sa.select(sa.func.count()).select_from(HOST_NOTES).where(HOST_NOTES.c.host_id == values["host_id"])
    if connection.execute(of_it).scalar() >= _MOST:
        raise UsageError(f"this host has {_MOST} notes: delete one first")
    connection.execute(HOST_NOTES.insert(), values)


def _delete(connection: Connection, host_id: str, note: int) -> str:
    of_it = sa.and_(HOST_NOTES.c.id == note, HOST_NOTES.c.host_id == host_id)
    text = connection.execute(sa.select(HOST_NOTES.c.text).where(of_it)).scalar() if note <= _MAX_ID else None
    if text is None:
        raise UsageError("this host has no such note")
    connection.execute(sa.delete(HOST_NOTES).where(of_it))
    return str(text)
