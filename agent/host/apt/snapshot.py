"""The packages at one moment, behind the port `agent.core.ports.PackageSnapshot`."""

from collections.abc import Sequence
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path

import apt_pkg

from agent.core.model.facts import KnownPackage, Repair, Update
from agent.core.model.plan import Resolution, Scope, Step
from agent.core.packages.decide import Veto
from agent.core.policy.origins import OriginPattern
from agent.core.policy.policy import Policy
from agent.core.ports import JobControl, PackagesSeen, RefreshResult
from agent.host.apt.cache import PackageCache
from agent.host.apt.candidates import scan
from agent.host.apt.download import AptDownload, fetch, mark_exactly
from agent.host.apt.kernels import kernel_facts
from agent.host.apt.lists import assess
from agent.host.apt.reinstall import reinstallations
from agent.host.apt.resolve import resolve
from agent.host.dpkg import database as dpkg_database
from agent.host.locks import LockWaiter


class AptPackageSnapshot:
    """One opened cache. The resolver's marks stay on it, so that a download of its steps needs no second cache."""

    def __init__(
        self, policy: Policy, refreshed: RefreshResult, *, now: datetime, ledger: Path, control: JobControl
    ) -> None:
        """Open the cache and scan it; `ledger` as in `AptEngine`.

        Raises:
            HostError: the package lists or dpkg's database cannot be read.
        """
        self._policy = policy
        self._ledger = ledger
        self._control = control
        self._cache = PackageCache()
        self._unmarked = True
        self._marked: frozenset[Step] | None = None
        """The steps whose marks the cache holds."""
        self.seen = _scan(self._cache, policy, refreshed, now)

    def find(self, name: str) -> KnownPackage | None:
        """Return a package by name, the installed one of several architectures; None if apt knows none."""
        base, _, architecture = name.partition(":")
        key = (base, architecture) if architecture else base
        if key not in self._cache.pkg_cache:
            return None
        package = self._cache.pkg_cache[key]
        current = package.current_ver
        if not package.has_versions:
            return None
        return KnownPackage(
            package=package.name,
            architecture=package.architecture,
            installed=current.ver_str if current is not None else None,
            on_hold=package.selected_state == apt_pkg.SELSTATE_HOLD,
        )

    def similar(self, name: str) -> tuple[str, ...]:
        """Return names of installed packages that resemble this one."""
        installed = {package.name for package in self._cache.dpkg_packages if package.current_ver}
        return tuple(get_close_matches(name, sorted(installed), n=3))

    def resolve(self, admitted: Sequence[Update], scope: Scope, veto: Veto) -> Resolution:
        """Run libapt's resolver on an unmarked cache."""
        if not self._unmarked:
            self._cache = PackageCache()  # clearing marks takes as long, and keeps the restriction of origins
        self._unmarked, self._marked = False, None
        security = self._cache.allowed(self._policy.security.origins)
        allowed = self._cache.allowed(allowed_origins(self._policy, scope))
        resolution = resolve(self._cache, admitted, allowed=allowed, security=security, veto=veto)
        self._marked = frozenset(resolution.steps)
        return resolution

    def reinstallations(self, repair: Sequence[Repair]) -> tuple[Step, ...]:
        """Return steps that reinstall, at the same version, packages that dpkg can only finish from their archive."""
        cache = PackageCache()
        return reinstallations(cache, repair, cache.allowed(self._policy.security.origins))

    def download(self, steps: Sequence[Step], scope: Scope) -> AptDownload:
        """Download and verify the packages of the steps.

        Raises:
            BusyError, ChangedError, NoSpaceError, StoppedError, HostError: as `mark_exactly` and `fetch`.
        """
        return fetch(
            self._cache if self._marked == frozenset(steps) else self._newly_marked(steps, scope),
            steps,
            ledger=self._ledger,
            waiter=LockWaiter(self._policy.apt.lock_timeout, self._control),
            control=self._control,
        )

    def _newly_marked(self, steps: Sequence[Step], scope: Scope) -> PackageCache:
        cache = PackageCache()
        mark_exactly(cache, steps, cache.allowed(allowed_origins(self._policy, scope)))
        return cache


def allowed_origins(policy: Policy, scope: Scope) -> tuple[OriginPattern, ...] | None:
    """Return the origins that steps of a scope may come from; None for any."""
    return policy.security.origins if scope is Scope.SECURITY else None


def _scan(cache: PackageCache, policy: Policy, refreshed: RefreshResult, now: datetime) -> PackagesSeen:
    patterns = policy.security.origins
    found = scan(cache, patterns)
    return PackagesSeen(
        lists=assess(cache, patterns, refreshed, now=now, max_age=policy.apt.max_list_age),
        updates=found.updates,
        repair=found.repair,
        kernels=kernel_facts(cache),
        journal=bool(dpkg_database.journal()),
    )
