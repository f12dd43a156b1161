"""The events that an endpoint's database holds; the endpoint itself has no query for them."""

import sqlalchemy as sa

from endpoint.store.database import Database
from endpoint.store.tables import EVENTS, STREAMS
from tests.support.messages import Outbox


def stored_events(database: Database, box: Outbox) -> list[tuple[int, str]]:
    """Return sequence and key of every event of a stream, by sequence."""
    wanted = (
        sa.select(EVENTS.c.sequence, EVENTS.c.key)
        .join(STREAMS)
        .where(STREAMS.c.host_id == box.host, STREAMS.c.instance_id == box.instance)
        .order_by(EVENTS.c.sequence)
    )
    with database.reading() as connection:
        return [(sequence, key) for sequence, key in connection.execute(wanted)]
