"""The CVEs that a host's updates fix, from pending to active, by what its reports show one after another. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from endpoint.core.host_columns import PackageRow, PackageStage, moment_s, package_name

KEPT_S = 90 * 86400.0
"""For how long active fixes are kept: the span of the curve."""
MAX_FIXES = 5000
"""Of one plan: a report may name millions."""
MAX_KEPT = 20_000
"""Of one host, active ones included: each report may name others."""
FixKey = tuple[str, str]
"""CVE and package."""


class FixStage(Enum):
    """How far a fix has come on one host."""

    PENDING = "pending"
    HELD = "held"
    INSTALLED = "installed"
    """Replaced files are still in use, or the host does not report whether they are."""
    ACTIVE = "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixRow:
    """One CVE that one package fixes; times are Unix seconds."""

    stage: FixStage
    pending_since: float
    installed_at: float | None = None
    active_at: float | None = None


_OPEN = frozenset({FixStage.PENDING, FixStage.HELD})


def next_fixes(
    known: Mapping[FixKey, FixRow], report: Mapping[str, Any], packages: Iterable[PackageRow], at: float
) -> dict[FixKey, FixRow]:
    """Return the fixes after a report with these packages."""
    clock = _Clock(report)
    listed = _listed(packages)
    found = {key: _listed_fix(known.get(key), stage, clock.pending_since(key[1], at)) for key, stage in listed.items()}
    updates = report["updates"]
    is_complete = (
        (report.get("lists") or {}).get("state") == "fresh" and updates["items"] is not None and len(listed) < MAX_FIXES
    )
    unsettled = _unsettled(updates)
    others: dict[FixKey, FixRow] = {}
    for key, fix in known.items():
        if key in found:
            continue
        if fix.stage in _OPEN and not is_complete:
            others[key] = fix  # its update may be missing, or be one too many
        elif fix.stage in _OPEN and key[1] in unsettled:
            others[key] = replace(fix, stage=unsettled[key[1]] or fix.stage)
        elif fix.stage is not FixStage.ACTIVE:
            others[key] = clock.after_installation(key[1], fix, at)
        elif fix.active_at is not None and fix.active_at > at - KEPT_S:
            others[key] = fix
    return {**found, **_latest(others, MAX_KEPT - len(found))}


def _latest(fixes: Mapping[FixKey, FixRow], most: int) -> Mapping[FixKey, FixRow]:
    """Return so many fixes: those that are not active before all others, then the ones that became active last."""
    if len(fixes) <= most:
        return fixes
    order = sorted(fixes.items(), key=lambda item: (item[1].active_at is not None, -(item[1].active_at or 0.0)))
    return dict(order[:most])


class _Clock:
    """The exposure clock of a report."""

    def __init__(self, report: Mapping[str, Any]) -> None:
        exposure = report.get("exposure") or {}
        self._count = exposure.get("installed")
        self._pending: dict[str, float | None] = {}
        self._installed: dict[str, float | None] = {}
        for fix in exposure.get("fixes") or ():
            if fix["stage"] == FixStage.INSTALLED.value:
                self._installed[fix["package"]] = moment_s(fix["installed_at"])
            else:
                self._pending[fix["package"]] = moment_s(fix["pending_since"])

    def pending_since(self, package: str, at: float) -> float:
        since = self._pending.get(package)
        return at if since is None else min(since, at)

    def after_installation(self, package: str, fix: FixRow, at: float) -> FixRow:
        """Return a fix that is not pending any more; only the ten oldest that are not active are reported."""
        installed_at = fix.installed_at or self._installed.get(package) or at
        unnamed = self._count is None or self._count > len(self._installed)
        if package in self._installed or unnamed:
            return replace(fix, stage=FixStage.INSTALLED, installed_at=installed_at)
        return replace(fix, stage=FixStage.ACTIVE, installed_at=installed_at, active_at=at)


def _listed(packages: Iterable[PackageRow]) -> dict[FixKey, FixStage]:
    found: dict[FixKey, FixStage] = {}
    for row in packages:
        stage = FixStage.PENDING if row.stage is PackageStage.PENDING else FixStage.HELD
        for cve in row.cves:
            if len(found) >= MAX_FIXES:
                return found
            if stage is FixStage.PENDING or (cve, row.package) not in found:
                found[cve, row.package] = stage
    return found


def _unsettled(updates: Mapping[str, Any]) -> dict[str, FixStage | None]:
    """Return the packages that may lack a fix although no CVE of it is listed, with its stage; None: as it was.

    Not all of the changelog of their update was read, or dpkg has left them unfinished.
    """
    found: dict[str, FixStage | None] = {package_name(item): None for item in updates.get("repair") or ()}
    plan = (("esm_only_items", FixStage.HELD), ("held_items", FixStage.HELD), ("items", FixStage.PENDING))
    for part, stage in plan:
        for item in updates.get(part) or ():
            if not item["cves_complete"]:
                found[package_name(item)] = stage
    return found


def _listed_fix(known: FixRow | None, stage: FixStage, since: float) -> FixRow:
    if known is not None and known.stage in _OPEN:
        return replace(known, stage=stage)
    return FixRow(stage=stage, pending_since=since)
