"""Deletes rows of hosts that are silent for long and of fixes that are active for long; records the day's exposure."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.host_columns import NO_FIX_S
from endpoint.core.host_fixes import KEPT_S, FixRow, FixStage
from endpoint.core.host_tags import TagSource
from endpoint.core.timestamps import format_utc
from endpoint.store.database import Database
from endpoint.store.host_parts import FixChanges, FixCounts, delete_parts
from endpoint.store.host_tables import EXPOSURE_DAYS, FIX_COUNTS, HOST_FIXES, HOSTS
from endpoint.store.tables import HOST_TAGS, STREAMS

_STEP = 100
_DAYS_KEPT = timedelta(days=400)
_FIGURES = (
    sa.func.count().label("hosts"),
    sa.func.sum(sa.case((HOSTS.c.exposed_since < NO_FIX_S, 1), else_=0)).label("exposed"),
    sa.func.min(HOSTS.c.exposed_since).label("since"),
    sa.func.sum(HOSTS.c.inactive_fixes).label("fixes"),
)
_BY_TAG = (
    sa.select(HOST_TAGS.c.tag, *_FIGURES)
    .select_from(HOST_TAGS.join(HOSTS, HOSTS.c.host_id == HOST_TAGS.c.host_id))
    .where(HOST_TAGS.c.source == TagSource.ENDPOINT.value)
    .group_by(HOST_TAGS.c.tag)
)
_WHOLE = sa.select(sa.literal("").label("tag"), *_FIGURES).select_from(HOSTS)


class HostRetention:
    """The hourly work on the rows of hosts; every method may raise `StoreError`: the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counts = FixCounts(database)
        self._day = database.upsert(EXPOSURE_DAYS)

    def hosts(self, now: datetime, expire_after: timedelta) -> Iterator[int]:
        """Delete hosts whose last contact is longer ago; yield the number deleted in each step.

        Tags that people have set stay: the host may return.
        """
        before = (now - expire_after).timestamp()
        source = HOSTS.join(STREAMS, STREAMS.c.id == HOSTS.c.stream)
        wanted = sa.select(HOSTS.c.stream).select_from(source).where(STREAMS.c.last_seen_at < before).limit(_STEP)
        while found := self._streams(wanted):
            for stream in found:
                yield self._database.write(partial(self._delete_host, stream=stream, before=before))

    def fixes(self, now: datetime) -> Iterator[int]:
        """Delete fixes that have been active for longer than the curve; yield the number deleted in each step."""
        before = now.timestamp() - KEPT_S
        deleted = _STEP
        while deleted == _STEP:
            deleted = self._database.write(lambda connection: self._delete_fixes(connection, before))
            yield deleted

    def record_exposure(self, now: datetime) -> None:
        """Record the exposure of this hour as that of the day, of the fleet and of each tag that people have set."""
        self._database.write(lambda connection: self._record(connection, now))

    def _streams(self, wanted: sa.sql.Select) -> list[int]:
        with self._database.reading() as connection:
            return list(connection.execute(wanted).scalars())

    def _delete_host(self, connection: Connection, *, stream: int, before: float) -> int:
        silent = sa.select(STREAMS.c.id).where(STREAMS.c.id == stream, STREAMS.c.last_seen_at < before)
        if connection.execute(silent.with_for_update()).first() is None:
            return 0  # it has sent a message in the meantime
        host = connection.execute(
            sa.select(HOSTS.c.id, HOSTS.c.host_id).where(HOSTS.c.stream == stream).with_for_update()
        ).first()
        if host is None:
            return 0  # another stream of it has
        changed = FixChanges()
        delete_parts(connection, host.id, changed)
        self._counts.write(connection, changed)
        own = HOST_TAGS.c.source == TagSource.AGENT.value
        connection.execute(sa.delete(HOST_TAGS).where(HOST_TAGS.c.host_id == host.host_id, own))
        return int(connection.execute(sa.delete(HOSTS).where(HOSTS.c.id == host.id)).rowcount)

    def _delete_fixes(self, connection: Connection, before: float) -> int:
        old = connection.execute(
            sa.select(HOST_FIXES)
            .where(HOST_FIXES.c.active_at < before, HOST_FIXES.c.stage == FixStage.ACTIVE.value)
            .limit(_STEP)
        ).all()
        _lock_hosts(connection, {row.host for row in old})
        changed = FixChanges()
        for row in old:
            one = (HOST_FIXES.c.host == row.host, HOST_FIXES.c.cve == row.cve, HOST_FIXES.c.package == row.package)
            # The host may have reported it as pending again since the read.
            gone = sa.delete(HOST_FIXES).where(*one, HOST_FIXES.c.active_at < before)
            fix = FixRow(stage=FixStage.ACTIVE, pending_since=row.pending_since)
            changed.add((row.cve, row.package), fix, -int(connection.execute(gone).rowcount))
        self._counts.write(connection, changed)
        stages = [FIX_COUNTS.c[stage.value] == 0 for stage in FixStage]
        connection.execute(sa.delete(FIX_COUNTS).where(FIX_COUNTS.c.cve.in_(sorted(changed.counts)), *stages))
        return len(old)

    def _record(self, connection: Connection, now: datetime) -> None:
        day = format_utc(now)[:10]
        for row in [*connection.execute(_WHOLE), *connection.execute(_BY_TAG)]:
            is_exposed = row.since is not None and row.since < NO_FIX_S
            age_s = max(0.0, now.timestamp() - row.since) if is_exposed else None
            values = {
                "day": day, "tag": row.tag, "hosts": row.hosts, "exposed": int(row.exposed or 0),
                "oldest_age_s": age_s, "fixes": int(row.fixes or 0),
            }  # fmt: skip
            connection.execute(self._day, values)
        connection.execute(sa.delete(EXPOSURE_DAYS).where(EXPOSURE_DAYS.c.day < format_utc(now - _DAYS_KEPT)[:10]))


def _lock_hosts(connection: Connection, hosts: Collection[int]) -> None:
    """Lock rows of hosts in the order of `HostRows`: a report that is being stored may count the same fixes."""
    wanted = sa.select(HOSTS.c.id).where(HOSTS.c.id.in_(sorted(hosts))).order_by(HOSTS.c.host_id).with_for_update()
    connection.execute(wanted).all()
