"""Writes the packages and fixes of a host by difference, and counts the fixes of the fleet."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.host_columns import PackageRow
from endpoint.core.host_fixes import FixKey, FixRow, FixStage, next_fixes
from endpoint.store.database import Database
from endpoint.store.host_tables import FIX_COUNTS, HOST_FIXES, HOST_PACKAGES
from endpoint.store.host_values import fix_values, package_values

_PACKAGES = sa.select(HOST_PACKAGES).where(HOST_PACKAGES.c.host == sa.bindparam("of"))
_DELETE_PACKAGE = sa.delete(HOST_PACKAGES).where(
    HOST_PACKAGES.c.host == sa.bindparam("of"),
    HOST_PACKAGES.c.package == sa.bindparam("its_package"),
    HOST_PACKAGES.c.architecture == sa.bindparam("its_architecture"),
)
_FIXES = sa.select(HOST_FIXES).where(HOST_FIXES.c.host == sa.bindparam("of"))
_DELETE_FIX = sa.delete(HOST_FIXES).where(
    HOST_FIXES.c.host == sa.bindparam("of"),
    HOST_FIXES.c.cve == sa.bindparam("its_cve"),
    HOST_FIXES.c.package == sa.bindparam("its_package"),
)
_STAGES = tuple(FixStage)


@dataclass(slots=True, kw_only=True)
class FixChanges:
    """By how much the counts of fixes change, by CVE and stage."""

    counts: dict[str, dict[FixStage, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    first_seen: dict[str, float] = field(default_factory=dict)

    def add(self, key: FixKey, fix: FixRow, number: int) -> None:
        """Count a fix that was added (1) or removed (-1); 0: another process was first."""
        cve = key[0]
        self.counts[cve][fix.stage] += number
        self.first_seen[cve] = min(fix.pending_since, self.first_seen.get(cve, fix.pending_since))


class FixCounts:
    """The counts of the fleet's fixes."""

    def __init__(self, database: Database) -> None:
        new = database.insert(FIX_COUNTS)
        first, added = FIX_COUNTS.c.first_seen_at, new.excluded
        sums = {stage.value: FIX_COUNTS.c[stage.value] + added[stage.value] for stage in _STAGES}
        earliest = sa.case((added.first_seen_at < first, added.first_seen_at), else_=first)
        # One statement: another process may delete a row that counts nothing between two of them.
        self._add = new.on_conflict_do_update(index_elements=["cve"], set_={**sums, "first_seen_at": earliest})

    def write(self, connection: Connection, changed: FixChanges) -> None:
        """Add the changes, always in the same order: processes cannot deadlock."""
        cves = sorted(cve for cve, stages in changed.counts.items() if any(stages.values()))
        if not cves:
            return
        connection.execute(
            self._add,
            [
                {
                    "cve": cve,
                    "first_seen_at": changed.first_seen[cve],
                    **{stage.value: changed.counts[cve][stage] for stage in _STAGES},
                }
                for cve in cves
            ],
        )


def write_packages(connection: Connection, host: int, packages: Sequence[PackageRow], at: float) -> None:
    """Replace what has changed of a host's packages; `since` stays while the candidate does."""
    known = {(row.package, row.architecture): row for row in connection.execute(_PACKAGES, {"of": host})}
    wanted = {}
    for row in packages:
        before = known.get((row.package, row.architecture))
        since = before.since if before is not None and before.candidate == row.candidate else at
        wanted[row.package, row.architecture] = package_values(host, row, since)
    stale = [key for key, row in known.items() if dict(row._mapping) != wanted.get(key)]  # noqa: SLF001 - its public name
    if stale:
        connection.execute(
            _DELETE_PACKAGE, [{"of": host, "its_package": name, "its_architecture": arch} for name, arch in stale]
        )
    added = [values for key, values in wanted.items() if key not in known or key in set(stale)]
    if added:
        connection.execute(HOST_PACKAGES.insert(), added)


def write_fixes(
    connection: Connection,
    host: int,
    report: Mapping[str, Any],
    packages: Iterable[PackageRow],
    at: float,
    changed: FixChanges,
) -> None:
    """Replace what has changed of a host's fixes."""
    known = {(row.cve, row.package): _fix(row) for row in connection.execute(_FIXES, {"of": host})}
    wanted = next_fixes(known, report, packages, at)
    gone = {key: fix for key, fix in known.items() if wanted.get(key) != fix}
    added = {key: fix for key, fix in wanted.items() if known.get(key) != fix}
    for fixes, number in ((gone, -1), (added, 1)):
        for key, fix in fixes.items():
            changed.add(key, fix, number)
    if gone:
        connection.execute(_DELETE_FIX, [{"of": host, "its_cve": cve, "its_package": name} for cve, name in gone])
    if added:
        connection.execute(HOST_FIXES.insert(), [fix_values(host, key, fix) for key, fix in added.items()])


def delete_parts(connection: Connection, host: int, changed: FixChanges) -> None:
    """Delete the packages and fixes of a host."""
    for row in connection.execute(_FIXES, {"of": host}):
        changed.add((row.cve, row.package), _fix(row), -1)
    connection.execute(sa.delete(HOST_FIXES).where(HOST_FIXES.c.host == host))
    connection.execute(sa.delete(HOST_PACKAGES).where(HOST_PACKAGES.c.host == host))


def _fix(row: Any) -> FixRow:
    return FixRow(
        stage=FixStage(row.stage),
        pending_since=row.pending_since,
        installed_at=row.installed_at,
        active_at=row.active_at,
    )
