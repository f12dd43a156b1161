"""The record of what people did; an entry is durable together with what it is about (`note_in`, `Audit.together`)."""

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.audit import AuditAction, AuditEntry
from endpoint.core.people import Person, Scope
from endpoint.store.database import Database
from endpoint.store.people_tables import AUDIT
from endpoint.store.scopes import in_scope
from endpoint.store.tables import REQUESTS

Answer = TypeVar("Answer")
_STEP = 500
_MAX_NAME, _MAX_SUBJECT, _MAX_DETAIL = 64, 256, 2000


class Audit:
    """All entries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(
        self,
        at: datetime,
        person: str,
        action: AuditAction,
        subject: str,
        detail: str = "",
        *,
        host_id: str | None = None,
        deployment: str | None = None,
        address: str | None = None,
    ) -> None:
        """Record an action; longer texts are cut. What it changed is changed with it only within `together`.

        Raises:
            StoreError: the database does not answer.
        """
        values = _values(at, person, action, subject, detail, host_id=host_id, deployment=deployment, address=address)
        self._database.write(lambda connection: connection.execute(sa.insert(AUDIT), values))

    def together(self, action: Callable[[], Answer]) -> Answer:
        """Carry out an action and the `note` that it makes in one transaction: neither is there without the other.

        Raises:
            StoreError: the database does not answer.
        """
        return self._database.together(action)

    def delete_old(self, before: datetime) -> Iterator[int]:
        """Delete older entries, the oldest first; yield the number deleted in each step.

        Raises:
            StoreError: the database does not answer.
        """
        oldest = sa.select(AUDIT.c.id).where(AUDIT.c.at < before.timestamp()).order_by(AUDIT.c.at).limit(_STEP)
        change = sa.delete(AUDIT).where(AUDIT.c.id.in_(oldest.scalar_subquery()))
        deleted = _STEP
        while deleted == _STEP:
            deleted = self._database.write(lambda connection: int(connection.execute(change).rowcount))
            yield deleted

    def page(self, person: Person, *, before: int | None = None, limit: int = 200) -> tuple[AuditEntry, ...]:
        """Return the entries that a person may see, the latest first; `before`: only those with a lower id.

        A scope limits them to those of its hosts, those of whole deployments with a host in it, and the person's own.

        Raises:
            StoreError: the database does not answer.
        """
        wanted = sa.select(AUDIT).where(visible_entries(person)).order_by(AUDIT.c.id.desc()).limit(limit)
        if before is not None:
            wanted = wanted.where(AUDIT.c.id < before)
        rows = self._database.read(lambda connection: connection.execute(wanted).all())
        return tuple(_entry(row, person) for row in rows)


def note_in(
    connection: Connection,
    at: datetime,
    person: str,
    action: AuditAction,
    subject: str,
    detail: str = "",
    *,
    host_id: str | None = None,
    deployment: str | None = None,
    address: str | None = None,
) -> None:
    """Record an action in the transaction that carries it out."""
    values = _values(at, person, action, subject, detail, host_id=host_id, deployment=deployment, address=address)
    connection.execute(sa.insert(AUDIT), values)


def visible_entries(person: Person) -> Any:
    """Return the condition for the entries that a person may see."""
    if person.scope.is_whole:
        return sa.true()
    # What was done to one host of a deployment is of this host alone.
    of_all = sa.and_(AUDIT.c.host_id.is_(None), AUDIT.c.deployment.in_(deployments_in(person.scope)))
    return sa.or_(AUDIT.c.person == person.name[:_MAX_NAME], in_scope(AUDIT.c.host_id, person.scope), of_all)


def deployments_in(scope: Scope) -> Any:
    """Return the query for the ids of all deployments with a host in the scope."""
    return sa.select(REQUESTS.c.deployment).where(in_scope(REQUESTS.c.host_id, scope))


def _values(
    at: datetime, person: str, action: AuditAction, subject: str, detail: str, **references: str | None
) -> dict[str, object]:
    return {
        "at": at.timestamp(), "person": _text(person, _MAX_NAME), "action": action.value,
        "subject": _text(subject, _MAX_SUBJECT), "detail": _text(detail, _MAX_DETAIL), **references,
    }  # fmt: skip


def _text(text: str, most: int) -> str:
    """Return what every database can store; PostgreSQL takes neither NUL nor surrogates."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")[:most]


def _entry(row: Any, person: Person) -> AuditEntry:
    # Of somebody else's deployment with hosts outside of the scope, the detail has their number.
    hidden = not person.scope.is_whole and row.host_id is None and row.person != person.name[:_MAX_NAME]
    return AuditEntry(
        id=row.id,
        at=datetime.fromtimestamp(row.at, timezone.utc),
        person=row.person,
        action=row.action,
        subject=row.subject,
        detail="" if hidden else row.detail,
        host_id=row.host_id,
        deployment=row.deployment,
        address=row.address,
    )
