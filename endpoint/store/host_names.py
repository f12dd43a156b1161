"""The names of hosts that a person may see."""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.people import Scope
from endpoint.store.database import Database
from endpoint.store.host_tables import HOSTS
from endpoint.store.scopes import in_scope

_AT_ONCE = 400
"""Values in one statement: SQLite takes 999."""


class HostNames:
    """The query."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def visible(self, host_ids: Iterable[str], scope: Scope) -> dict[str, str]:
        """Return the names of those hosts that have reported and are in the scope, by id; one without a name by its id.

        Raises:
            StoreError: the database does not answer.
        """
        wanted = sorted(set(host_ids))
        return self._database.read(lambda connection: _visible(connection, wanted, scope)) if wanted else {}


def _visible(connection: Connection, host_ids: list[str], scope: Scope) -> dict[str, str]:
    found: dict[str, str] = {}
    for at in range(0, len(host_ids), _AT_ONCE):
        some = HOSTS.c.host_id.in_(host_ids[at : at + _AT_ONCE])
        rows = connection.execute(
            sa.select(HOSTS.c.host_id, HOSTS.c.name).where(some, in_scope(HOSTS.c.host_id, scope))
        )
        found.update({row.host_id: row.name or row.host_id for row in rows})
    return found
