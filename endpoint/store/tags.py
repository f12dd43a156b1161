"""Tags of hosts: set by people, to choose the hosts of a deployment."""

from collections import defaultdict
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.audit import AuditAction
from endpoint.core.host_tags import TagSource
from endpoint.store.audit import note_in
from endpoint.store.database import Database
from endpoint.store.deployments import Actor
from endpoint.store.tables import HOST_TAGS

_SOURCE = TagSource.ENDPOINT.value
_OWN = sa.select(HOST_TAGS.c.host_id, HOST_TAGS.c.tag).where(HOST_TAGS.c.source == _SOURCE)


class HostTags:
    """The tags that people set; those of the hosts' own configurations are in `HostRow`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._add = database.insert_new(HOST_TAGS)

    def all(self) -> dict[str, set[str]]:
        """Return the tags by host id.

        Raises:
            StoreError: the database does not answer.
        """
        rows = self._database.read(lambda connection: connection.execute(_OWN).all())
        tags: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            tags[row.host_id].add(row.tag)
        return dict(tags)

    def change(
        self, host_id: str, *, add: Iterable[str], remove: Iterable[str], label: str = "", by: Actor | None = None
    ) -> None:
        """Add and remove tags of a host, and record it: they decide who may see the host.

        `label` is the host's name for the record; without `by` there is none.

        Raises:
            StoreError: the database does not answer.
        """
        added, removed = sorted(set(add)), sorted(set(remove))
        detail = ", ".join([*(f"+{tag}" for tag in added), *(f"-{tag}" for tag in removed)])

        def change(connection: Connection) -> None:
            self._change(connection, host_id, added, removed)
            if by is not None and detail:
                note_in(
                    connection, by.at, by.name, AuditAction.TAGS_CHANGED, label or host_id, detail, host_id=host_id,
                    address=by.address,
                )  # fmt: skip

        self._database.write(change)

    def _change(self, connection: Connection, host_id: str, add: list[str], remove: list[str]) -> None:
        if remove:
            gone = HOST_TAGS.c.tag.in_(remove)
            connection.execute(
                sa.delete(HOST_TAGS).where(HOST_TAGS.c.host_id == host_id, HOST_TAGS.c.source == _SOURCE, gone)
            )
        for tag in add:
            connection.execute(self._add, {"host_id": host_id, "tag": tag, "source": _SOURCE})
