"""Slots for people: all that are held and waited for, and a release by a person, which is recorded."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.lock_report import LockGroup, LockRelease, Locks, WaitingClient
from endpoint.core.locks import Holder
from endpoint.errors import UsageError
from endpoint.store import lock_statements as sql
from endpoint.store.database import Database
from endpoint.store.locks import holder_of
from endpoint.store.tables import LOCK_GROUPS, LOCK_HOLDERS, LOCK_RELEASES, LOCK_WAITERS

_MAX_RELEASES = 20
_ALL_HOLDERS = sa.select(LOCK_HOLDERS).order_by(LOCK_HOLDERS.c.since, LOCK_HOLDERS.c.client_id)
_ALL_WAITERS = sa.select(LOCK_WAITERS).where(sql.counts(LOCK_WAITERS)).order_by(LOCK_WAITERS.c.ticket)
_LATEST_RELEASES = sa.select(LOCK_RELEASES).order_by(LOCK_RELEASES.c.id.desc()).limit(_MAX_RELEASES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByPerson:
    """Who releases a slot, when and why."""

    name: str
    why: str
    at: datetime


class LockQueries:
    """All queries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def locks(self, now: datetime) -> Locks:
        """Return all groups with their holders and the clients that wait, and the latest releases by a person.

        Raises:
            StoreError: the database does not answer.
        """
        return self._database.read(lambda connection: _locks(connection, now.timestamp()))

    def release(self, holder: Holder, person: ByPerson) -> None:
        """Release a slot; the next client gets it with its next request.

        Raises:
            UsageError: the client no longer holds it.
            StoreError: the database does not answer.
        """
        self._database.write(lambda connection: _release(connection, holder, person))


def _locks(connection: Connection, now_s: float) -> Locks:
    holders: dict[str, list[Holder]] = defaultdict(list)
    for row in connection.execute(_ALL_HOLDERS):
        holders[row.group_name].append(holder_of(row))
    waiting: dict[str, list[WaitingClient]] = defaultdict(list)
    for row in connection.execute(_ALL_WAITERS, {"now": now_s}):
        client = WaitingClient(client_id=row.client_id, host_id=row.host_id, since_s=row.since, asked_s=row.asked_at)
        waiting[row.group_name].append(client)
    groups = tuple(
        LockGroup(
            name=row.name,
            mean_hold_s=row.mean_hold_s,
            holders=tuple(holders[row.name]),
            waiting=tuple(waiting[row.name]),
        )
        for row in connection.execute(sa.select(LOCK_GROUPS).order_by(LOCK_GROUPS.c.name))
    )
    return Locks(groups=groups, releases=tuple(_released(row) for row in connection.execute(_LATEST_RELEASES)))


def _released(row: Any) -> LockRelease:
    return LockRelease(
        group=row.group_name,
        client_id=row.client_id,
        host_id=row.host_id,
        since_s=row.since,
        released_s=row.released_at,
        released_by=row.released_by,
        why=row.why,
    )


def _release(connection: Connection, holder: Holder, person: ByPerson) -> None:
    connection.execute(sql.LOCKED_GROUPS, {"names": [holder.group]}).all()
    same = sa.select(LOCK_HOLDERS.c.since).where(
        LOCK_HOLDERS.c.group_name == holder.group, LOCK_HOLDERS.c.client_id == holder.client_id
    )
    if connection.execute(same).scalar() != holder.since_s:
        raise UsageError(f"{holder.client_id} no longer holds a slot of the group {holder.group}")
    connection.execute(sql.GIVE_BACK, {"of": holder.group, "client": holder.client_id})
    record = {
        "released_at": person.at.timestamp(), "group_name": holder.group, "client_id": holder.client_id,
        "host_id": holder.host_id, "since": holder.since_s, "released_by": person.name, "why": person.why,
    }  # fmt: skip
    connection.execute(LOCK_RELEASES.insert(), record)
