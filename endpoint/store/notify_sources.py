"""What there may be to notify of, as of now: silent hosts, pending fixes."""

from datetime import datetime, timezone

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.notify.model import MAX_NAME, Subject
from endpoint.core.text import clean
from endpoint.core.timestamps import format_utc
from endpoint.store.advisory_tables import KEV
from endpoint.store.database import Database
from endpoint.store.host_tables import FIX_COUNTS, HOST_FIXES, HOSTS
from endpoint.store.tables import STREAMS

_MAX_SUBJECT = 64
_WAITING = ("pending", "held")
_SILENT = (
    sa.select(HOSTS.c.host_id, HOSTS.c.name, STREAMS.c.last_seen_at)
    .select_from(HOSTS.join(STREAMS, STREAMS.c.id == HOSTS.c.stream))
    .where(STREAMS.c.last_seen_at < sa.bindparam("before"), STREAMS.c.last_seen_at >= sa.bindparam("since"))
)
_MOST_SILENT = 5000
"""So that a failure of the whole network takes no memory that a fleet of 100,000 hosts would need."""
_ALL_SILENT = _SILENT.subquery()
_SHOWN_SILENT = _SILENT.order_by(HOSTS.c.id).limit(_MOST_SILENT)
_HOSTS = (
    sa.select(sa.func.count())
    .select_from(HOSTS.join(STREAMS, STREAMS.c.id == HOSTS.c.stream))
    .where(STREAMS.c.last_seen_at >= sa.bindparam("since"))
)
_EXPLOITED = (
    sa.select(KEV.c.cve, KEV.c.name, KEV.c.due)
    .select_from(KEV.join(FIX_COUNTS, FIX_COUNTS.c.cve == KEV.c.cve))
    .where(FIX_COUNTS.c.pending + FIX_COUNTS.c.held > 0)
)
_HOSTS_OF_FIX = sa.select(sa.func.count(sa.distinct(HOST_FIXES.c.host))).where(
    HOST_FIXES.c.cve == sa.bindparam("of"), HOST_FIXES.c.stage.in_(_WAITING)
)
# The first row of a CVE that is old enough ends the search for it: no count, which would read millions of rows.
_OVERDUE = sa.select(FIX_COUNTS).where(
    FIX_COUNTS.c.first_seen_at < sa.bindparam("before"),
    FIX_COUNTS.c.pending + FIX_COUNTS.c.held > 0,
    sa.exists().where(
        HOST_FIXES.c.cve == FIX_COUNTS.c.cve,
        HOST_FIXES.c.stage.in_(_WAITING),
        HOST_FIXES.c.pending_since < sa.bindparam("before"),
    ),
)


class NotifySources:
    """All queries; texts of hosts have no control characters."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def silent(self, before: datetime, since: datetime | None) -> tuple[list[Subject], int, int]:
        """Return the first 5,000 hosts whose last contact is before that, and not before `since`.

        The two numbers are those of all such hosts, and of all hosts that are not forgotten.

        Raises:
            StoreError: the database does not answer.
        """
        values = {"before": before.timestamp(), "since": since.timestamp() if since is not None else 0.0}

        def work(connection: Connection) -> tuple[list[Subject], int, int]:
            found = [
                _subject(row.host_id, row.name or row.host_id, f"last contact {_time(row.last_seen_at)}")
                for row in connection.execute(_SHOWN_SILENT, values)
            ]
            count = len(found)
            if count == _MOST_SILENT:
                count = int(
                    connection.execute(sa.select(sa.func.count()).select_from(_ALL_SILENT), values).scalar() or 0
                )
            return found, count, int(connection.execute(_HOSTS, {"since": values["since"]}).scalar() or 0)

        return self._database.read(work)

    def known_exploited(self) -> list[Subject]:
        """Return the CVEs of the KEV catalogue whose fix is pending or held on a host.

        Raises:
            StoreError: the database does not answer.
        """

        def work(connection: Connection) -> list[Subject]:
            found = []
            for row in connection.execute(_EXPLOITED).all():
                hosts = int(connection.execute(_HOSTS_OF_FIX, {"of": row.cve}).scalar() or 0)
                due = f", due {row.due}" if row.due else ""
                found.append(_subject(row.cve, row.cve, f"{_hosts(hosts)}{due}; {row.name}"))
            return found

        return self._database.read(work)

    def overdue(self, before: datetime) -> list[Subject]:
        """Return the CVEs whose fix has been pending or held on a host since before that.

        Raises:
            StoreError: the database does not answer.
        """
        values = {"before": before.timestamp()}
        rows = self._database.read(lambda connection: connection.execute(_OVERDUE, values).all())
        return [_subject(row.cve, row.cve, f"first seen {_time(row.first_seen_at)[:10]}") for row in rows]


def _subject(identity: str, name: str, detail: str) -> Subject:
    return Subject(id=identity[:_MAX_SUBJECT], name=clean(name, MAX_NAME), detail=clean(detail, MAX_NAME))


def _hosts(count: int) -> str:
    return "1 host" if count == 1 else f"{count} hosts"


def _time(seconds: float) -> str:
    return format_utc(datetime.fromtimestamp(seconds, timezone.utc))
