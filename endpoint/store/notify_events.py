"""Puts on record what happens and an administrator is to be notified of, in the transaction that stores it."""

from collections.abc import Iterable
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.messages import Message
from endpoint.core.notify.events import reboot_problems
from endpoint.core.notify.model import NotificationKind, Subject
from endpoint.store.database import Database
from endpoint.store.host_tables import HOSTS
from endpoint.store.notify_conditions import insert_event, note_each, note_event
from endpoint.store.tables import DEPLOYMENTS

_DEPLOYMENT = sa.select(DEPLOYMENTS.c.verb, DEPLOYMENTS.c.requested_by).where(DEPLOYMENTS.c.id == sa.bindparam("of"))
_NAME = sa.select(HOSTS.c.name).where(HOSTS.c.host_id == sa.bindparam("of"))


class EventNotes:
    """One row for each host, whether anybody is notified or not: the sender forgets old ones."""

    def __init__(self, database: Database) -> None:
        self._put = insert_event(database)

    def note(self, connection: Connection, host_id: str, events: Iterable[Message], now: float) -> None:
        """Note the new events of a host, in the transaction that stores them."""
        for event in events:
            found = reboot_problems(host_id, event)
            if found is not None:
                name = connection.execute(_NAME, {"of": host_id}).scalar() or host_id
                note_event(connection, self._put, NotificationKind.REBOOT_PROBLEMS, replace(found, name=name), now)


def note_stop(connection: Connection, deployment: str, failures: int, now: float) -> None:
    """Note that a deployment, which is locked, stops after so many failures: each time, also after its expiry."""
    row = connection.execute(_DEPLOYMENT, {"of": deployment}).one()
    subject = Subject(
        id=deployment, name=f"{row.verb} {deployment[:8]}", detail=f"{failures} failed; made by {row.requested_by}"
    )
    note_each(connection, NotificationKind.DEPLOYMENT_STOPPED, subject, now)
