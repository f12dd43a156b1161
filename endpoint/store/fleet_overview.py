"""The counts of the overview, by the conditions of the lists; and the exposure by day."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.fleet_model import CurveDay, Oldest, Overview, ReleaseCount
from endpoint.core.host_states import HostState
from endpoint.core.host_tags import TagSource
from endpoint.core.people import Scope
from endpoint.store import scopes
from endpoint.store.host_conditions import IS_EXPOSED, StateConditions, in_scope, state_times
from endpoint.store.host_list import View
from endpoint.store.host_tables import EXPOSURE_DAYS, HOSTS
from endpoint.store.tables import HOST_TAGS, STREAMS

TAGS_BY_NAME = 1000
"""So many are named in a query, which is faster; SQLite takes no more than 32,766 values."""
_NUMBER = sa.func.count()
_WITH_STREAMS = HOSTS.outerjoin(STREAMS, STREAMS.c.id == HOSTS.c.stream)
_FROM_STREAMS = STREAMS.join(HOSTS, HOSTS.c.stream == STREAMS.c.id)


def overview_of(connection: Connection, view: View) -> Overview:
    """Return the overview of a scope."""
    scoped = in_scope(view.scope)
    counts = _whole_counts(connection, view) if not scoped else _scoped_counts(connection, view)
    exposed, fixes = connection.execute(
        sa.select(_NUMBER, sa.func.coalesce(sa.func.sum(HOSTS.c.inactive_fixes), 0)).where(IS_EXPOSED, *scoped)
    ).one()
    return Overview(
        as_of_s=view.now_s,
        hosts=connection.execute(sa.select(_NUMBER).select_from(HOSTS).where(*scoped)).scalar() or 0,
        counts=counts,
        oldest=_oldest(connection, scoped),
        exposed=exposed,
        inactive_fixes=int(fixes),
        releases=_releases(connection, scoped),
        versions=_versions(connection, scoped),
        groups=tuple(sorted(_grouped(connection, HOSTS.c.lock_group, scoped))),
        tags=_tags(connection, view.scope),
    )


def _whole_counts(connection: Connection, view: View) -> dict[HostState, int]:
    row = connection.execute(_whole_counts_statement(), state_times(view.now_s, view.settings)).one()
    return dict(zip(HostState, row, strict=True))


@cache
def _whole_counts_statement() -> Any:
    """Count each state by its own index; built once, because that takes longer than running it in a small fleet."""
    states = StateConditions.any_time()

    def count(*wanted: Any, source: Any = HOSTS) -> Any:
        return sa.select(_NUMBER).select_from(source).where(*wanted).scalar_subquery()

    def silent(*wanted: Any) -> Any:
        past, future = (count(part, *wanted, source=_FROM_STREAMS) for part in states.silent_rows)
        return past + future

    def count_of(state: HostState) -> Any:
        if state is HostState.PATCHED:
            return count(states.green) - silent(states.green_row)
        if state is HostState.SILENT:
            return silent()
        if (flag := states.flag(state)) is None:
            return count(states.of(state))
        return count(flag) + count(states.is_shared, sa.not_(flag)) if states.includes_shared(state) else count(flag)

    return sa.select(*(count_of(state).label(state.value) for state in HostState))


def _scoped_counts(connection: Connection, view: View) -> dict[HostState, int]:
    """Count all states in one pass over the hosts of the scope."""
    sums = [sa.func.sum(sa.case((view.states.of(state), 1), else_=0)) for state in HostState]
    row = connection.execute(sa.select(*sums).select_from(_WITH_STREAMS).where(*in_scope(view.scope))).one()
    return {state: int(number or 0) for state, number in zip(HostState, row, strict=True)}


def _oldest(connection: Connection, scoped: list[Any]) -> Oldest | None:
    wanted = sa.select(HOSTS.c.host_id, HOSTS.c.name, HOSTS.c.exposed_since).where(IS_EXPOSED, *scoped)
    row = connection.execute(wanted.order_by(HOSTS.c.exposed_since, HOSTS.c.id).limit(1)).first()
    return None if row is None else Oldest(host_id=row.host_id, name=row.name, since_s=row.exposed_since)


def _releases(connection: Connection, scoped: list[Any]) -> tuple[ReleaseCount, ...]:
    by = (HOSTS.c.release, HOSTS.c.release_support)
    rows = connection.execute(sa.select(*by, _NUMBER.label("hosts")).where(*scoped).group_by(*by))
    found = [ReleaseCount(release=row.release, support=row.release_support, hosts=row.hosts) for row in rows]
    return tuple(sorted(found, key=lambda one: (-one.hosts, one.release or "", one.support or "")))


def _versions(connection: Connection, scoped: list[Any]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(_grouped(connection, HOSTS.c.agent_version, scoped), key=lambda item: (-item[1], item[0])))


def _grouped(connection: Connection, column: sa.Column, scoped: list[Any]) -> list[tuple[str, int]]:
    rows = connection.execute(sa.select(column, _NUMBER).where(*scoped).group_by(column))
    return [(text, number) for text, number in rows if text is not None]


def _tags(connection: Connection, scope: Scope) -> tuple[tuple[str, int], ...]:
    """Return the endpoint's own tags of hosts that report; in a scope, its own ones only."""
    wanted = [HOST_TAGS.c.source == TagSource.ENDPOINT.value]
    if scope.tags is not None:
        wanted.append(HOST_TAGS.c.tag.in_(sorted(scope.tags)))
    source = HOST_TAGS.join(HOSTS, HOSTS.c.host_id == HOST_TAGS.c.host_id)
    by_tag = sa.select(HOST_TAGS.c.tag, _NUMBER).select_from(source).where(*wanted).group_by(HOST_TAGS.c.tag)
    return tuple(sorted((tag, number) for tag, number in connection.execute(by_tag)))


def hosts_by_tag(connection: Connection, view: View) -> tuple[tuple[str, int], ...]:
    """Return the tags of `_tags`, with the hosts that a list by each has: also those that give it to themselves."""
    found = dict(_tags(connection, view.scope))
    tag, host, source = HOST_TAGS.c.tag, HOST_TAGS.c.host_id, HOST_TAGS.c.source
    own = source == TagSource.ENDPOINT.value
    listed = tag.in_(sorted(found) if len(found) <= TAGS_BY_NAME else sa.select(tag).where(own))
    scoped = [] if view.scope.is_whole else [scopes.in_scope(host, view.scope)]
    reported = sa.select(tag, host).where(source == TagSource.AGENT.value, listed, *scoped)
    more = reported.except_(sa.select(tag, host).where(own, listed)).subquery()
    for name, number in connection.execute(sa.select(more.c.tag, _NUMBER).group_by(more.c.tag)):
        if name in found:
            found[name] += number
    return tuple(sorted(found.items()))


def _today(overview: Overview, now_s: float) -> CurveDay:
    since_s = overview.oldest.since_s if overview.oldest is not None else None
    return CurveDay(
        day=_day(now_s),
        hosts=overview.hosts,
        exposed=overview.exposed,
        oldest_age_s=max(0.0, now_s - since_s) if since_s is not None else None,
        fixes=overview.inactive_fixes,
    )


def exposure_days(connection: Connection, view: View, days: int, now: Overview) -> tuple[CurveDay, ...]:
    """Return the recorded days, the oldest first, and today by the overview; one that was not recorded has no figures.

    Of a scope with several tags, a host that has two of them is counted twice on the days before today.
    """
    wanted = [_day(view.now_s - back * 86400) for back in range(days - 1, -1, -1)]
    tags = [""] if view.scope.tags is None else sorted(view.scope.tags)
    rows = connection.execute(
        sa.select(
            EXPOSURE_DAYS.c.day,
            sa.func.sum(EXPOSURE_DAYS.c.hosts).label("hosts"),
            sa.func.sum(EXPOSURE_DAYS.c.exposed).label("exposed"),
            sa.func.max(EXPOSURE_DAYS.c.oldest_age_s).label("oldest"),
            sa.func.sum(EXPOSURE_DAYS.c.fixes).label("fixes"),
        )
        .where(EXPOSURE_DAYS.c.day >= wanted[0], EXPOSURE_DAYS.c.tag.in_(tags))
        .group_by(EXPOSURE_DAYS.c.day)
    )
    found = {row.day: _curve_day(row._mapping) for row in rows}  # noqa: SLF001 - its public name
    found[wanted[-1]] = _today(now, view.now_s)
    return tuple(found.get(day, CurveDay(day=day)) for day in wanted)


def _curve_day(row: Mapping[str, Any]) -> CurveDay:
    counts = {name: int(row[name]) for name in ("hosts", "exposed", "fixes")}
    return CurveDay(day=row["day"], oldest_age_s=row["oldest"], **counts)


def _day(moment_s: float) -> str:
    return (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=moment_s)).strftime("%Y-%m-%d")
