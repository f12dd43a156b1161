"""Fixes by CVE: how far each has come in the fleet, and on which hosts."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.fix_query import FixQuery, FixSort
from endpoint.core.fleet_model import FixDetail, FixHost, FixLine, FixPage, FixSummary
from endpoint.core.host_fixes import FixStage
from endpoint.core.host_query import HostQuery
from endpoint.store.advisory_tables import KEV
from endpoint.store.host_conditions import in_scope
from endpoint.store.host_list import View, page_and_ids_of, selection_of
from endpoint.store.host_tables import FIX_COUNTS, HOST_FIXES, HOSTS

_OPEN = ("pending", "held", "installed")
_INACTIVE = FIX_COUNTS.c.pending + FIX_COUNTS.c.held + FIX_COUNTS.c.installed
_SORTS: dict[FixSort, Any] = {
    FixSort.HOSTS: lambda columns: columns.inactive,
    FixSort.CVE: lambda columns: columns.cve,
    FixSort.FIRST_SEEN: lambda columns: columns.first_seen_at,
}

_LINES = (
    sa.select(HOST_FIXES)
    # By the hosts' numbers: for a join SQLite would go through all rows of the CVE.
    .where(HOST_FIXES.c.host.in_(sa.bindparam("ids", expanding=True)), HOST_FIXES.c.cve == sa.bindparam("cve"))
    .order_by(HOST_FIXES.c.package)
)


def fixes_of(connection: Connection, query: FixQuery, view: View) -> FixPage:
    """Return a page of fixes."""
    counted = _counts(view).subquery()
    found = sa.select(counted)
    found = found.where(counted.c.inactive > 0) if not query.all_active else found.where(counted.c.known > 0)
    if query.cves is not None:
        found = found.where(counted.c.cve.in_(query.cves))
    elif query.text is not None:
        found = found.where(counted.c.cve.like(f"%{query.text.upper()}%"))
    if query.exploited:
        found = found.where(counted.c.cve.in_(sa.select(KEV.c.cve)))
    total = connection.execute(sa.select(sa.func.count()).select_from(found.subquery())).scalar() or 0
    by = _SORTS[query.sort](counted.c)
    order = by.desc() if query.descending else by
    # Those that are known to be exploited come first.
    first = [sa.case((counted.c.cve.in_(sa.select(KEV.c.cve)), 0), else_=1)] if query.sort is FixSort.HOSTS else []
    rows = connection.execute(found.order_by(*first, order, counted.c.cve).offset(query.offset).limit(query.limit))
    summaries = tuple(map(_summary, rows))
    examples = _examples(connection, [row.cve for row in summaries], view)
    named = tuple(replace(row, package=examples.get(row.cve)) for row in summaries)
    return FixPage(rows=named, total=total, as_of_s=view.now_s, offset=query.offset)


def exploited_of(connection: Connection, view: View) -> int:
    """Return how many CVEs that are known to be exploited are not fixed on every host of the scope."""
    source = HOST_FIXES.join(HOSTS, HOSTS.c.id == HOST_FIXES.c.host)
    of_it = sa.and_(HOST_FIXES.c.cve == KEV.c.cve, HOST_FIXES.c.stage.in_(_OPEN), *in_scope(view.scope))
    # Of each CVE the first row is enough; a popular one has as many as there are hosts.
    some = sa.exists(sa.select(HOST_FIXES.c.host).select_from(source).where(of_it).correlate(KEV))
    return int(connection.execute(sa.select(sa.func.count()).select_from(KEV).where(some)).scalar() or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixReach:
    """Which packages a fix concerns, and how many hosts by stage."""

    packages: tuple[str, ...]
    hosts_by_stage: Mapping[FixStage, int]


def reach_of(connection: Connection, cve: str, view: View) -> FixReach:
    """Return how far a fix reaches; with many hosts the slowest part of its page."""
    packages = _packages(connection, cve, view)
    counted = _counted_by_stage if len(packages) == 1 and view.scope.is_whole else _by_stage
    return FixReach(packages=packages, hosts_by_stage=counted(connection, cve, view))


def fix_of(connection: Connection, cve: str, query: HostQuery, view: View) -> FixDetail | None:
    """Return a fix, with one page of the hosts where it is not active; None: no host of the scope has or had it.

    What `reach_of` finds is still missing.
    """
    counted = _counts(view).subquery()
    row = connection.execute(sa.select(counted).where(counted.c.cve == cve, counted.c.known > 0)).first()
    if row is None:
        return None
    of_it = replace(query, cve=cve)
    page, ids = page_and_ids_of(connection, of_it, view, selection_of(connection, of_it, view))
    lines = _lines(connection, cve, {number: host.host_id for number, host in zip(ids, page.rows, strict=True)})
    return FixDetail(
        cve=cve,
        summary=_summary(row),
        packages=(),
        hosts_by_stage={},
        hosts=tuple(FixHost(host=host, packages=tuple(lines[host.host_id])) for host in page.rows),
        next=page.next,
        previous=page.previous,
    )


def _counts(view: View) -> Any:
    scoped = in_scope(view.scope)
    if not scoped:
        known = _INACTIVE + FIX_COUNTS.c.active
        return sa.select(FIX_COUNTS, _INACTIVE.label("inactive"), known.label("known"))
    sums = {
        stage.value: sa.func.sum(sa.case((HOST_FIXES.c.stage == stage.value, 1), else_=0)).label(stage.value)
        for stage in FixStage
    }
    inactive = sa.func.sum(sa.case((HOST_FIXES.c.stage.in_(_OPEN), 1), else_=0)).label("inactive")
    source = HOST_FIXES.join(HOSTS, HOSTS.c.id == HOST_FIXES.c.host)
    first = sa.func.min(HOST_FIXES.c.pending_since).label("first_seen_at")
    columns = (HOST_FIXES.c.cve, first, *sums.values(), inactive, sa.func.count().label("known"))
    return sa.select(*columns).select_from(source).where(*scoped).group_by(HOST_FIXES.c.cve)


def _summary(row: Any) -> FixSummary:
    stages = _stages(row)
    return FixSummary(
        cve=row.cve,
        first_seen_s=row.first_seen_at,
        pending=stages[FixStage.PENDING],
        held=stages[FixStage.HELD],
        installed=stages[FixStage.INSTALLED],
        active=stages[FixStage.ACTIVE],
    )


def _stages(row: Any) -> dict[FixStage, int]:
    return {stage: int(getattr(row, stage.value)) for stage in FixStage}


def _examples(connection: Connection, cves: list[str], view: View) -> dict[str, str]:
    """Return one package by CVE; all of them would be as many rows as hosts have the fix."""
    source = HOST_FIXES.join(HOSTS, HOSTS.c.id == HOST_FIXES.c.host)
    of_it = sa.and_(HOST_FIXES.c.cve == FIX_COUNTS.c.cve, *in_scope(view.scope))
    first = sa.select(HOST_FIXES.c.package).select_from(source).where(of_it).limit(1)
    wanted = sa.select(FIX_COUNTS.c.cve, first.correlate(FIX_COUNTS).scalar_subquery()).where(
        FIX_COUNTS.c.cve.in_(cves)
    )
    return {cve: package for cve, package in connection.execute(wanted) if package is not None}


def _lines(connection: Connection, cve: str, hosts: Mapping[int, str]) -> dict[str, list[FixLine]]:
    found: dict[str, list[FixLine]] = defaultdict(list)
    for row in connection.execute(_LINES, {"cve": cve, "ids": list(hosts)}).all():
        found[hosts[row.host]].append(fix_line(row))
    return found


def fix_line(row: Any) -> FixLine:
    """Return a row of `host_fixes`."""
    _, cve, package, stage, pending_since, installed, active = row  # SQLAlchemy's rows look names up slowly
    return FixLine(
        cve=cve,
        package=package,
        stage=FixStage(stage),
        pending_since_s=pending_since,
        installed_s=installed,
        active_s=active,
    )


def _of_cve(cve: str, view: View, *columns: Any) -> Any:
    scoped = in_scope(view.scope)
    source = HOST_FIXES.join(HOSTS, HOSTS.c.id == HOST_FIXES.c.host) if scoped else HOST_FIXES
    return sa.select(*columns).select_from(source).where(HOST_FIXES.c.cve == cve, *scoped)


def _packages(connection: Connection, cve: str, view: View) -> tuple[str, ...]:
    return tuple(sorted(connection.execute(_of_cve(cve, view, HOST_FIXES.c.package).distinct()).scalars()))


def _counted_by_stage(connection: Connection, cve: str, view: View) -> dict[FixStage, int]:
    """Return the hosts by stage of a fix with one package: the rows that `fix_counts` counts."""
    row = connection.execute(_counts(view).where(FIX_COUNTS.c.cve == cve)).first()
    return _stages(row) if row is not None else dict.fromkeys(FixStage, 0)


def _by_stage(connection: Connection, cve: str, view: View) -> dict[FixStage, int]:
    """Return the hosts by stage, each once, by the least advanced of its packages as `FixHost.stage`."""
    hosts = _of_cve(cve, view, HOST_FIXES.c.host)
    counts = []
    for number, stage in enumerate(stages := [stage.value for stage in FixStage]):
        # SQLite takes both sides of EXCEPT from the index, in order; groups of hosts it would sort.
        reached = hosts.where(HOST_FIXES.c.stage == stage)
        behind = hosts.where(HOST_FIXES.c.stage.in_(stages[:number]))
        only = reached.except_(behind) if number else reached.distinct()
        counts.append(sa.select(sa.func.count()).select_from(only.subquery()).scalar_subquery())
    row = connection.execute(sa.select(*counts)).one()
    return dict(zip(FixStage, row, strict=True))
