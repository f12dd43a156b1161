"""The conditions on record, and the notification of those that are new."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.notify.conditions import RULES, Condition, judge
from endpoint.core.notify.events import OLD_S
from endpoint.core.notify.model import (
    MAX_NAME,
    MOST_SUBJECTS,
    Notification,
    NotificationKind,
    Subject,
    notification_document,
)
from endpoint.core.text import clean
from endpoint.store.database import Database
from endpoint.store.host_tables import HOSTS
from endpoint.store.notify_queue import enqueue
from endpoint.store.notify_tables import NOTIFY_CONDITIONS

_STEP = 500
_MAX_DETAIL = 512
_COLUMNS = NOTIFY_CONDITIONS.c
# A host's first events are stored before the state that has its name.
_HOST_NAME = sa.select(HOSTS.c.name).where(HOSTS.c.host_id == _COLUMNS.subject).scalar_subquery()
_NAME = sa.func.coalesce(_HOST_NAME, _COLUMNS.name)


class ConditionStore:
    """Compares what was found with what is on record. Only the one sender does it."""

    def __init__(self, database: Database, channels: Sequence[str]) -> None:
        self._database = database
        self._channels = channels
        self._put = database.upsert(NOTIFY_CONDITIONS)

    def settle(
        self, kind: NotificationKind, found: Collection[Subject], now: float, *, hint: str = "", link: str
    ) -> int:
        """Record what is new and what has ended; queue a notification if one is due. Return how many it is about.

        `hint` is a further sentence of the notification.

        Raises:
            StoreError: the database does not answer; the next call goes on.
        """
        known = self._known(kind)
        changes = judge(known, found, RULES[kind], now)
        for put in _steps([_row(kind, condition) for condition in changes.put]):
            self._database.write(partial(_execute, statement=self._put, rows=put))
        for gone in _steps(changes.drop):
            which = sa.delete(NOTIFY_CONDITIONS).where(_COLUMNS.kind == kind.value, _COLUMNS.subject.in_(gone))
            self._database.write(partial(_execute, statement=which, rows=None))
        return self.notify(kind, now, hint=hint, link=link) if changes.notify else 0

    def settle_events(self, kind: NotificationKind, now: float, *, link: str) -> int:
        """Notify of what `note_event` and `note_each` put on record, forget what was notified; return how many.

        An event within `quiet_s` of the last notification about its host waits until that time is over.

        Raises:
            StoreError: the database does not answer.
        """
        self._database.write(lambda connection: _forget_noticed(connection, kind, now))
        waiting = [one.since for one in self._known(kind).values() if one.noticed_at is None]
        if not any(now - since >= RULES[kind].settle_s or since > now for since in waiting):
            return 0
        return self.notify(kind, now, hint="", link=link)

    def notify(self, kind: NotificationKind, now: float, *, hint: str, link: str) -> int:
        """Queue one notification of all open conditions of a kind that were not notified yet; return how many.

        Raises:
            StoreError: the database does not answer.
        """
        return self._database.write(lambda connection: self._notify(connection, kind, now, hint, link))

    def _notify(self, connection: Connection, kind: NotificationKind, now: float, hint: str, link: str) -> int:
        new = sa.and_(_COLUMNS.kind == kind.value, _COLUMNS.ended_at.is_(None), _COLUMNS.noticed_at.is_(None))
        # Locked: an event that is stored meanwhile, perhaps of the same host, is left for the next notification.
        columns = (_COLUMNS.subject, _NAME.label("name"), _COLUMNS.detail)
        ordered = sa.select(*columns).where(new).order_by(_NAME, _COLUMNS.subject).with_for_update()
        found = [Subject(id=row.subject, name=row.name, detail=row.detail) for row in connection.execute(ordered)]
        if not found:
            return 0
        made = Notification(
            id=str(uuid.uuid4()), kind=kind, at=now, subjects=found[:MOST_SUBJECTS], count=len(found), hint=hint
        )
        enqueue(connection, notification_document(made, link), self._channels, now)
        # An event may be later than `now`: it came since the pass began, or by the clock of another machine.
        noticed = sa.case((_COLUMNS.since > now, _COLUMNS.since), else_=now)
        for part in _steps([subject.id for subject in found]):
            these = sa.and_(_COLUMNS.kind == kind.value, _COLUMNS.subject.in_(part))
            connection.execute(sa.update(NOTIFY_CONDITIONS).where(these).values(noticed_at=noticed))
        return len(found)

    def _known(self, kind: NotificationKind) -> dict[str, Condition]:
        wanted = sa.select(NOTIFY_CONDITIONS).where(_COLUMNS.kind == kind.value)
        rows = self._database.read(lambda connection: connection.execute(wanted).all())
        return {row.subject: _condition(row) for row in rows}


def insert_event(database: Database) -> Any:
    """Build the statement of `note_event`: it keeps when the host was last in a notification."""
    new = database.insert(NOTIFY_CONDITIONS)
    latest = {name: new.excluded[name] for name in ("name", "detail", "since")}
    return new.on_conflict_do_update(index_elements=["kind", "subject"], set_=latest)


def note_event(connection: Connection, put: Any, kind: NotificationKind, subject: Subject, now: float) -> None:
    """Put on record what an event reports, in the transaction that stores it; `put` is of `insert_event`.

    Of a host the notification has the name that it has by then.
    """
    connection.execute(put, _row(kind, Condition(subject=subject, since=now)))


def note_each(connection: Connection, kind: NotificationKind, subject: Subject, now: float) -> None:
    """Put on record an event that is notified however soon it follows another of its subject, in its transaction.

    The caller holds a lock of the subject: two of one subject at a time would fail. Old ones of the kind are deleted,
    which nobody else does where nobody is to be notified.
    """
    gone = sa.or_(_COLUMNS.subject == subject.id, _COLUMNS.since < now - OLD_S)
    connection.execute(sa.delete(NOTIFY_CONDITIONS).where(_COLUMNS.kind == kind.value, gone))
    connection.execute(sa.insert(NOTIFY_CONDITIONS), _row(kind, Condition(subject=subject, since=now)))


def withdraw_event(connection: Connection, kind: NotificationKind, subject: str) -> None:
    """Take back what an event reported, as far as nobody was notified of it: it is over, and no news any more."""
    mine = sa.and_(_COLUMNS.kind == kind.value, _COLUMNS.subject == subject)
    connection.execute(sa.delete(NOTIFY_CONDITIONS).where(mine, _COLUMNS.noticed_at.is_(None)))
    reported_since = sa.and_(mine, _COLUMNS.since > _COLUMNS.noticed_at)
    connection.execute(sa.update(NOTIFY_CONDITIONS).where(reported_since).values(since=_COLUMNS.noticed_at))


def _forget_noticed(connection: Connection, kind: NotificationKind, now: float) -> None:
    """Delete what is old; what was reported since its last notification can be notified again after `quiet_s`."""
    noticed = _COLUMNS.noticed_at
    # A time in the future is that of a wrong clock.
    over = sa.or_(noticed <= now - RULES[kind].quiet_s, noticed > now)
    known = sa.and_(over, sa.or_(_COLUMNS.since <= noticed, _COLUMNS.since > now))
    old = sa.or_(_COLUMNS.since < now - OLD_S, known)
    connection.execute(sa.delete(NOTIFY_CONDITIONS).where(_COLUMNS.kind == kind.value, old))
    connection.execute(sa.update(NOTIFY_CONDITIONS).where(_COLUMNS.kind == kind.value, over).values(noticed_at=None))


def _row(kind: NotificationKind, condition: Condition) -> dict[str, object]:
    subject = condition.subject
    return {
        "kind": kind.value,
        "subject": subject.id,
        "name": clean(subject.name, MAX_NAME),
        "detail": clean(subject.detail, _MAX_DETAIL),
        "since": condition.since,
        "noticed_at": condition.noticed_at,
        "ended_at": condition.ended_at,
    }


def _condition(row: Any) -> Condition:
    subject = Subject(id=row.subject, name=row.name, detail=row.detail)
    return Condition(subject=subject, since=row.since, noticed_at=row.noticed_at, ended_at=row.ended_at)


def _execute(connection: Connection, *, statement: Any, rows: Sequence[Mapping[str, object]] | None) -> None:
    if rows is None:
        connection.execute(statement)
    else:
        connection.execute(statement, list(rows))


def _steps(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Return the items in steps, so that no message waits long for a transaction."""
    return (items[start : start + _STEP] for start in range(0, len(items), _STEP))
