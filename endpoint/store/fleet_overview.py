"""The counts of the overview, by the conditions of the lists; and the exposure by day."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.fleet_model import CurveDay, Oldest, Overview, ReleaseCount
from endpoint.core.host_columns import NO_FIX_S
from endpoint.core.host_states import HostState
from endpoint.core.host_tags import TagSource
from endpoint.core.people import Scope
from endpoint.store.host_conditions import StateConditions, in_scope, state_times
from endpoint.store.host_list import View
from endpoint.store.host_tables import EXPOSURE_DAYS, HOSTS
from endpoint.store.tables import HOST_TAGS, STREAMS

_NUMBER = sa.func.count()
_EXPOSED = HOSTS.c.exposed_since < NO_FIX_S
_WITH_STREAMS = HOSTS.outerjoin(STREAMS, STREAMS.c.id == HOSTS.c.stream)
_FROM_STREAMS = STREAMS.join(HOSTS, HOSTS.c.stream == STREAMS.c.id)


def overview_of(connection: Connection, view: View) -> Overview:
    """Return the overview of a scope."""
    scoped = in_scope(view.scope)
    counts = _whole_counts(connection, view) if not scoped else _scoped_counts(connection, view)
    kinds = _kinds(connection, scoped)
    return Overview(
        as_of_s=view.now_s,
        hosts=sum(one.hosts for one in kinds),
        counts=counts,
        oldest=_oldest(connection, scoped),
        exposed=sum(int(one.exposed) for one in kinds),
        inactive_fixes=sum(int(one.fixes or 0) for one in kinds),
        releases=_releases(kinds),
        versions=_versions(kinds),
        groups=_lock_groups(connection, scoped),
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
    wanted = sa.select(HOSTS.c.host_id, HOSTS.c.name, HOSTS.c.exposed_since).where(_EXPOSED, *scoped)
    row = connection.execute(wanted.order_by(HOSTS.c.exposed_since, HOSTS.c.id).limit(1)).first()
    return None if row is None else Oldest(host_id=row.host_id, name=row.name, since_s=row.exposed_since)


def _kinds(connection: Connection, scoped: list[Any]) -> Sequence[Any]:
    """Return the figures of all hosts by release and version, of which there are few: in one pass over the hosts."""
    by = (HOSTS.c.release, HOSTS.c.release_support, HOSTS.c.agent_version)
    exposed = sa.func.sum(sa.case((_EXPOSED, 1), else_=0)).label("exposed")
    fixes = sa.func.sum(sa.case((_EXPOSED, HOSTS.c.inactive_fixes), else_=0)).label("fixes")
    figures = sa.select(*by, _NUMBER.label("hosts"), exposed, fixes)
    rows: Sequence[Any] = connection.execute(figures.where(*scoped).group_by(*by)).all()
    return rows


def _releases(kinds: Sequence[Any]) -> tuple[ReleaseCount, ...]:
    hosts: Counter[tuple[str | None, str | None]] = Counter()
    for one in kinds:
        hosts[one.release, one.release_support] += one.hosts
    found = [ReleaseCount(release=release, support=support, hosts=count) for (release, support), count in hosts.items()]
    return tuple(sorted(found, key=lambda one: (-one.hosts, one.release or "", one.support or "")))


def _versions(kinds: Sequence[Any]) -> tuple[tuple[str, int], ...]:
    """Return the agents' versions, the most frequent one first."""
    hosts: Counter[str] = Counter()
    for one in kinds:
        if one.agent_version is not None:
            hosts[one.agent_version] += one.hosts
    return tuple(sorted(hosts.items(), key=lambda item: (-item[1], item[0])))


def _lock_groups(connection: Connection, scoped: list[Any]) -> tuple[tuple[str, int], ...]:
    group = HOSTS.c.lock_group
    rows = connection.execute(sa.select(group, _NUMBER).where(group.is_not(None), *scoped).group_by(group))
    return tuple(sorted((name, number) for name, number in rows))


def _tags(connection: Connection, scope: Scope) -> tuple[tuple[str, int], ...]:
    """Return the endpoint's own tags of hosts that report; in a scope, its own ones only."""
    wanted = [HOST_TAGS.c.source == TagSource.ENDPOINT.value]
    if scope.tags is not None:
        wanted.append(HOST_TAGS.c.tag.in_(sorted(scope.tags)))
    source = HOST_TAGS.join(HOSTS, HOSTS.c.host_id == HOST_TAGS.c.host_id)
    by_tag = sa.select(HOST_TAGS.c.tag, _NUMBER).select_from(source).where(*wanted).group_by(HOST_TAGS.c.tag)
    return tuple(sorted((tag, number) for tag, number in connection.execute(by_tag)))


def exposure_today(connection: Connection, view: View) -> CurveDay:
    """Return the exposure at this time."""
    exposed = sa.case((_EXPOSED, 1), else_=0)
    figures = sa.select(
        _NUMBER, sa.func.sum(exposed), sa.func.min(HOSTS.c.exposed_since), sa.func.sum(HOSTS.c.inactive_fixes)
    ).select_from(HOSTS)
    hosts, count, since, fixes = connection.execute(figures.where(*in_scope(view.scope))).one()
    return CurveDay(
        day=_day(view.now_s),
        hosts=hosts,
        exposed=int(count or 0),
        oldest_age_s=max(0.0, view.now_s - since) if since is not None and since < NO_FIX_S else None,
        fixes=int(fixes or 0),
    )


def exposure_days(connection: Connection, view: View, days: int) -> tuple[CurveDay, ...]:
    """Return the recorded days and today, the oldest first; a day that was not recorded has no figures.

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
    found[wanted[-1]] = exposure_today(connection, view)
    return tuple(found.get(day, CurveDay(day=day)) for day in wanted)


def _curve_day(row: Mapping[str, Any]) -> CurveDay:
    counts = {name: int(row[name]) for name in ("hosts", "exposed", "fixes")}
    return CurveDay(day=row["day"], oldest_age_s=row["oldest"], **counts)


def _day(moment_s: float) -> str:
    return (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=moment_s)).strftime("%Y-%m-%d")
