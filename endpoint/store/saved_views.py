"""Saved views of the list of hosts: a name for a query, for the person who saved it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.errors import RefusedError
from endpoint.store.database import Database
from endpoint.store.saved_view_tables import SAVED_VIEWS

MAX_VIEWS = 50
"""Of one person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    """One view."""

    name: str
    query: str
    """Without `?`; empty: all hosts."""


class SavedViews:
    """All views."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, person: str) -> Sequence[SavedView]:
        """Return a person's views, by name.

        Raises:
            StoreError: the database does not answer.
        """
        wanted = sa.select(SAVED_VIEWS.c.name, SAVED_VIEWS.c.query).where(SAVED_VIEWS.c.person == person)
        rows = self._database.read(lambda connection: connection.execute(wanted.order_by(SAVED_VIEWS.c.name)).all())
        return [SavedView(name=row.name, query=row.query) for row in rows]

    def save(self, person: str, view: SavedView, now: datetime) -> None:
        """Store a view; one of the same name is replaced.

        Raises:
            RefusedError: 409, the person has too many.
            StoreError: the database does not answer.
        """
        self._database.write(lambda connection: _save(connection, person, view, now))

    def delete(self, person: str, name: str) -> bool:
        """Delete a view; return whether there was one.

        Raises:
            StoreError: the database does not answer.
        """
        return self._database.write(lambda connection: _delete(connection, person, name)) > 0


def _save(connection: Connection, person: str, view: SavedView, now: datetime) -> None:
    _delete(connection, person, view.name)
    number = sa.select(sa.func.count()).select_from(SAVED_VIEWS).where(SAVED_VIEWS.c.person == person)
    if connection.execute(number).scalar_one() >= MAX_VIEWS:
        raise RefusedError(409, f"there are {MAX_VIEWS} saved views: delete one first")
    values = {"person": person, "name": view.name, "query": view.query, "created_at": now.timestamp()}
    connection.execute(sa.insert(SAVED_VIEWS), values)


def _delete(connection: Connection, person: str, name: str) -> int:
    gone = sa.delete(SAVED_VIEWS).where(SAVED_VIEWS.c.person == person, SAVED_VIEWS.c.name == name)
    count: int = connection.execute(gone).rowcount
    return count
