"""The exposure clock: when each security fix was first pending, when it was installed, and when it took effect. Pure.

A fix is one version of one package from a security origin. It is

- pending from the first check that saw it on offer, whether it is held or not;
- installed once dpkg has that version, or a newer one;
- active once no process maps replaced files of its package any more, no reboot is required for the package and, for a
  kernel, no newer kernel of the running flavour is installed than the one that runs.

A newer version inherits the date of an older one that never became active. Stale lists change nothing. A fix that its
origin withdrew, or whose package was removed, is dropped. Not detected: interpreters that loaded scripts of an old
version, because no process maps those (`agent.core.reboot.services`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum

from agent.core.debian_version import version_key
from agent.core.frozen import field, frozen, replace
from agent.core.kernel_release import IMAGE_PREFIXES, flavour, image_release
from agent.core.model.facts import PackageState, Reboot, Unseen, Update
from agent.core.model.package import OfPackage, PackageId
from agent.core.packages.verify import HEALTHY_STATES
from agent.core.reboot.services import ReplacedFile, ServiceScan
from agent.core.restart.never import needs_reboot

MAX_OPEN = 2000
"""Fixes that are not active: more than the packages of a large server that were never upgraded."""
MAX_ACTIVE = 300
MAX_UNITS = 50
"""Units that are kept of one fix: a library such as libc is mapped by all of them."""
_KERNEL_SOURCES = "linux-meta"
"""What the sources of Ubuntu's metapackages for kernels start with; they also build these, which run no kernel:"""
_NO_KERNEL = ("linux-headers", "linux-tools", "linux-cloud-tools", "linux-libc-dev")


class FixStage(Enum):
    """The step that a fix has reached."""

    PENDING = "pending"
    INSTALLED = "installed"
    ACTIVE = "active"


class WaitsFor(Enum):
    """What brings a fix to the next step."""

    UPGRADE = "upgrade"
    REBOOT = "reboot"
    RESTART = "restart"


@frozen
class Fix(OfPackage):
    """One version of one package that fixes a security flaw, with the dates of its steps."""

    package: str
    architecture: str
    version: str
    source: str
    """Source package."""
    pending_since: datetime
    """When a check first saw it, or an older version of it that never became active."""
    installed_at: datetime | None = None
    active_at: datetime | None = None
    """When a scan of the processes first found it active."""
    needs_reboot: bool = False
    """Whether a package asked for a reboot, or it is a kernel that does not run."""
    units: tuple[str, ...] = ()
    """Units that still run replaced files of the package, as in `ServiceScan.replaced`; not more than `MAX_UNITS`."""

    @property
    def stage(self) -> FixStage:
        """The step that it has reached."""
        if self.active_at is not None:
            return FixStage.ACTIVE
        return FixStage.PENDING if self.installed_at is None else FixStage.INSTALLED

    @property
    def waits_for(self) -> WaitsFor | None:
        """What it waits for; None once it is active, or if that is not known yet."""
        if self.active_at is not None:
            return None
        if self.installed_at is None:
            return WaitsFor.UPGRADE
        if self.needs_reboot or any(map(needs_reboot, self.units)):
            return WaitsFor.REBOOT
        return WaitsFor.RESTART if self.units else None


@frozen
class Exposure:
    """The fixes of one machine: those that are not active, oldest first, then the active ones, newest first."""

    fixes: tuple[Fix, ...] = ()

    @property
    def inactive(self) -> tuple[Fix, ...]:
        """The fixes that are not active, oldest first."""
        return tuple(fix for fix in self.fixes if fix.active_at is None)


NO_EXPOSURE = Exposure()
"""No fix is known."""


@frozen
class InstalledFiles:
    """What dpkg's database has of one package."""

    unpacked_at: datetime | None
    """When dpkg unpacked the installed version; None if unknown."""
    paths: frozenset[str] = field(default_factory=frozenset)
    """Those of some replaced files that the package owns."""


@frozen
class ExposureFacts:
    """One observation."""

    now: datetime
    offered: Sequence[Update]
    complete: bool
    """Whether a security update that is not in `offered` is not on offer: the lists were read and are current."""
    states: Mapping[PackageId, PackageState]
    scan: ServiceScan
    files: Mapping[PackageId, InstalledFiles]
    """Of those packages that `observed_packages` names."""
    reboot: Reboot | Unseen


def observed_packages(before: Exposure, offered: Iterable[Update]) -> tuple[PackageId, ...]:
    """Return the packages whose files an observation has to look up."""
    return tuple(sorted({*(fix.id for fix in before.inactive), *(one.id for one in offered if one.security)}))


def advance(before: Exposure, facts: ExposureFacts) -> Exposure:
    """Return the fixes after one observation."""
    offered = _offered(facts)
    pending = {*offered, *(fix.id for fix in before.inactive)}
    found: list[Fix] = []
    for package in sorted(pending):
        known = [fix for fix in before.inactive if fix.id == package]
        found += _of_package(known, offered.get(package), facts)
    inactive = sorted((fix for fix in found if fix.active_at is None), key=_age)
    active = [fix for fix in found if fix.active_at is not None]
    again = {(fix.id, fix.version) for fix in found}
    active += [fix for fix in before.fixes if fix.active_at is not None and (fix.id, fix.version) not in again]
    active.sort(key=lambda fix: fix.active_at or facts.now, reverse=True)
    return Exposure(fixes=(*inactive[:MAX_OPEN], *active[:MAX_ACTIVE]))


def _age(fix: Fix) -> tuple[datetime, PackageId]:
    return fix.pending_since, fix.id


def _offered(facts: ExposureFacts) -> dict[PackageId, Update]:
    """Return the newest security update of each installed package."""
    found: dict[PackageId, Update] = {}
    for update in facts.offered:
        other = found.get(update.id)
        if update.security and (other is None or _is_newer(update.candidate, other.candidate)):
            found[update.id] = update
    return found


def _of_package(known: Sequence[Fix], offer: Update | None, facts: ExposureFacts) -> list[Fix]:
    """Return the fixes of one package: at most one that is installed, and one that is pending."""
    package = known[0].id if known else offer.id if offer is not None else None
    state = facts.states.get(package) if package is not None else None
    if package is None or state is None or state.version is None or state.state == "config-files":
        return []
    installed = state.version if state.state in HEALTHY_STATES else None
    fixes = [_placed(fix, installed, facts) for fix in known]
    done = [fix for fix in fixes if fix.installed_at is not None]
    if offer is not None and any(not _is_newer(offer.candidate, fix.version) for fix in done):
        offer = None  # dpkg was interrupted while it replaced that version
    waiting = _pending([fix for fix in fixes if fix.installed_at is None], offer, facts)
    merged = [_activated(_merged(done), facts)] if done else []
    return [*merged, *([waiting] if waiting is not None else [])]


def _placed(fix: Fix, installed: str | None, facts: ExposureFacts) -> Fix:
    """Return a fix at the step that dpkg's database shows; `installed` None: the package is unfinished."""
    if installed is None:
        return fix
    if _is_newer(fix.version, installed):  # not yet, or not any more
        return replace(fix, installed_at=None, needs_reboot=False, units=())
    if fix.installed_at is not None:
        return fix
    files = facts.files.get(fix.id)
    unpacked = files.unpacked_at if files is not None else None
    return replace(fix, installed_at=min(max(unpacked or facts.now, fix.pending_since), facts.now))


def _pending(fixes: Sequence[Fix], offer: Update | None, facts: ExposureFacts) -> Fix | None:
    """Return the pending fix of a package: the newest version, with the oldest date."""
    known = list(fixes)
    if facts.complete:  # what is not offered in this or a newer version was withdrawn
        known = [fix for fix in fixes if offer is not None and not _is_newer(fix.version, offer.candidate)]
    if offer is None:
        return _merged(known) if known else None
    current = Fix(
        package=offer.package,
        architecture=offer.architecture,
        version=offer.candidate,
        source=offer.source or offer.package,
        pending_since=facts.now,
    )
    return _merged([*known, current])


def _merged(fixes: Sequence[Fix]) -> Fix:
    """Return the newest version, pending since the oldest was."""
    newest = max(fixes, key=lambda fix: version_key(fix.version))
    return replace(newest, pending_since=min(fix.pending_since for fix in fixes))


def _activated(fix: Fix, facts: ExposureFacts) -> Fix:
    """Return an installed fix with what it waits for, or as active; unchanged as far as that could not be observed."""
    reboot = facts.reboot
    needs_reboot = fix.needs_reboot if isinstance(reboot, Unseen) else _needs_reboot(fix, reboot)
    unseen = isinstance(facts.scan.replaced, Unseen)
    units = fix.units if unseen else tuple(sorted(set(_units(facts.scan.files, facts.files.get(fix.id)))))[:MAX_UNITS]
    known = not unseen and not isinstance(reboot, Unseen)
    active_at = facts.now if known and not needs_reboot and not units else None
    return replace(fix, needs_reboot=needs_reboot, units=units, active_at=active_at)


def _units(replaced: Iterable[ReplacedFile], files: InstalledFiles | None) -> Iterator[str]:
    for one in replaced if files is not None else ():
        if files is not None and one.path in files.paths:
            yield from one.units


def _needs_reboot(fix: Fix, reboot: Reboot) -> bool:
    """Whether a package asked for a reboot, or is a kernel that does not run.

    If no installed kernel is of the running flavour, the running one is not from a package, and no reboot changes it.
    """
    if fix.package in {name.partition(":")[0] for name in reboot.flag_packages}:
        return True
    if reboot.host_kernel or not _is_kernel(fix):
        return False
    release, running = image_release(fix.package), reboot.kernel.running
    if release is not None and running is not None and flavour(release) != flavour(running):
        return False
    return bool(reboot.kernel.outdated) or fix.package in reboot.kernel.without_image


def _is_kernel(fix: Fix) -> bool:
    if fix.package.startswith(IMAGE_PREFIXES):
        return True
    return fix.source.startswith(_KERNEL_SOURCES) and not fix.package.startswith(_NO_KERNEL)


def _is_newer(version: str, than: str) -> bool:
    return version_key(version) > version_key(than)
