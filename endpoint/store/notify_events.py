"""Puts on record what happens and an administrator is to be notified of, in the transaction that stores it."""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.messages import Batch, Message
from endpoint.core.notify.events import is_recent_reboot, is_well_after_reboot, reboot_problems
from endpoint.core.notify.model import NotificationKind, Subject
from endpoint.store.database import Database
from endpoint.store.notify_conditions import insert_event, note_each, note_event, withdraw_event
from endpoint.store.tables import DEPLOYMENTS

_DEPLOYMENT = sa.select(DEPLOYMENTS.c.verb, DEPLOYMENTS.c.requested_by).where(DEPLOYMENTS.c.id == sa.bindparam("of"))
_KIND = NotificationKind.REBOOT_PROBLEMS


class EventNotes:
    """One row for each host, whether anybody is notified or not: the sender forgets old ones."""

    def __init__(self, database: Database) -> None:
        self._put = insert_event(database)

    def note(self, connection: Connection, batch: Batch, events: Iterable[Message], now: float) -> None:
        """Note the new events of a batch, in the transaction that stores them, in their order."""
        for event in events:
            if not is_recent_reboot(event, batch.sent_at):
                continue
            found = reboot_problems(batch.host_id, event)
            if found is not None:
                note_event(connection, self._put, _KIND, found, now)
            elif is_well_after_reboot(event):
                withdraw_event(connection, _KIND, batch.host_id)


def note_stop(connection: Connection, deployment: str, failures: int, now: float) -> None:
    """Note that a deployment, which is locked, stops after so many failures: each time, also after its expiry."""
    row = connection.execute(_DEPLOYMENT, {"of": deployment}).one()
    subject = Subject(
        id=deployment, name=f"{row.verb} {deployment[:8]}", detail=f"{failures} failed; made by {row.requested_by}"
    )
    note_each(connection, NotificationKind.DEPLOYMENT_STOPPED, subject, now)
