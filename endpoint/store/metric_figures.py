"""Figures of the endpoint for its metrics."""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.deployments import DeploymentStatus
from endpoint.core.fleet_metrics import EndpointFigures
from endpoint.store.advisory_tables import ADVISORY_SOURCES, KEV
from endpoint.store.database import Database
from endpoint.store.host_tables import FIX_COUNTS
from endpoint.store.notify_queue import NotificationQueue
from endpoint.store.request_statements import UNDER_WAY
from endpoint.store.tables import DEPLOYMENTS, STREAMS
from endpoint.version import VERSION

_EXPLOITED = (
    sa.select(sa.func.count())
    .select_from(KEV.join(FIX_COUNTS, FIX_COUNTS.c.cve == KEV.c.cve))
    .where(FIX_COUNTS.c.pending + FIX_COUNTS.c.held > 0)
)
_ACTIVE = (
    sa.select(sa.func.count())
    .select_from(DEPLOYMENTS)
    .where(
        DEPLOYMENTS.c.status == DeploymentStatus.ACTIVE.value,
        DEPLOYMENTS.c.expires_at > sa.bindparam("now"),
        UNDER_WAY,
    )
)
_LOADED = sa.select(ADVISORY_SOURCES.c.name, ADVISORY_SOURCES.c.loaded_at).where(
    ADVISORY_SOURCES.c.loaded_at.is_not(None)
)
_LATEST = sa.select(sa.func.max(STREAMS.c.last_seen_at))


class MetricFigures:
    """All queries."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue = NotificationQueue(database)

    def figures(self, now_s: float) -> EndpointFigures:
        """Return the figures at this time.

        Raises:
            StoreError: the database does not answer.
        """
        waiting, given_up = self._queue.counts()

        def work(connection: Connection) -> EndpointFigures:
            return EndpointFigures(
                version=VERSION,
                database=self._database.kind,
                database_bytes=_size(connection, self._database),
                last_contact=connection.execute(_LATEST).scalar(),
                exploited_pending=connection.execute(_EXPLOITED).scalar() or 0,
                advisories_loaded={row.name: row.loaded_at for row in connection.execute(_LOADED)},
                active_deployments=connection.execute(_ACTIVE, {"now": now_s}).scalar() or 0,
                notifications_waiting=waiting,
                notifications_given_up=given_up,
            )

        return self._database.read(work)


def _size(connection: Connection, database: Database) -> int | None:
    if database.kind == "postgresql":
        return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar() or 0)
    file = sa.engine.make_url(database.url).database or ""
    try:
        return sum(Path(f"{file}{suffix}").stat().st_size for suffix in ("", "-wal"))
    except OSError:
        return None
