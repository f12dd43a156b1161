"""Locks the rows of streams for a transaction that stores contacts of them."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.request_exchange import SILENCE_S
from endpoint.store.host_rows import SHOWN
from endpoint.store.host_tables import HOSTS
from endpoint.store.request_statements import HAS_REQUESTS, HAS_REQUESTS_ON_POSTGRESQL
from endpoint.store.tables import STREAMS

_STREAMS = (
    sa.select(STREAMS, *SHOWN)
    .select_from(STREAMS.outerjoin(HOSTS, HOSTS.c.host_id == STREAMS.c.host_id))
    # Always in the same order: otherwise two processes could deadlock. SQLAlchemy omits the lock on SQLite, whose
    # transactions are serial.
    .order_by(STREAMS.c.host_id, STREAMS.c.instance_id)
    .with_for_update(of=STREAMS)
)
# Apart, because most groups are of one, and filling in the lists takes as long as all the rest.
_ONE = _STREAMS.where(STREAMS.c.host_id == sa.bindparam("host"), STREAMS.c.instance_id == sa.bindparam("instance"))
_SEVERAL = (
    # The hosts, too: SQLite finds several pairs only by going through all streams.
    _STREAMS.where(STREAMS.c.host_id.in_(sa.bindparam("hosts", expanding=True))).where(
        sa.tuple_(STREAMS.c.host_id, STREAMS.c.instance_id).in_(sa.bindparam("names", expanding=True))
    )
)
# Apart, because most hosts take no requests.
_WITH_REQUESTS = {
    kind: tuple(statement.add_columns(condition.label("has_requests")) for statement in (_ONE, _SEVERAL))
    for kind, condition in (("sqlite", HAS_REQUESTS), ("postgresql", HAS_REQUESTS_ON_POSTGRESQL))
}


def lock_streams(
    connection: Connection, names: Sequence[tuple[str, str]], asked_at: float | None
) -> dict[tuple[str, str], Any]:
    """Return the rows of streams by host and instance, locked, with what decides whether their hosts' rows change.

    With `asked_at`, the time of a contact that takes requests, also `has_requests`.
    """
    wanted: dict[str, object] = {}
    one, several = _ONE, _SEVERAL
    if asked_at is not None:
        wanted |= {"now": asked_at, "silent_since": asked_at - SILENCE_S}
        one, several = _WITH_REQUESTS[connection.dialect.name]
    if len(names) == 1:
        wanted["host"], wanted["instance"] = names[0]
        statement = one
    else:
        wanted |= {"names": list(names), "hosts": [host for host, _ in names]}
        statement = several
    return {(row.host_id, row.instance_id): row for row in connection.execute(statement, wanted)}
