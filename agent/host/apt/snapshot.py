"""The packages as libapt's open cache shows them, and what is done with them through it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches

import apt_pkg

from agent.core.job_control import JobControl
from agent.core.model.facts import KnownPackage, Repair, Update
from agent.core.model.kernels import NewlyUnneeded
from agent.core.model.package import PackageId
from agent.core.model.plan import Resolution, Step
from agent.core.model.scope import Scope
from agent.core.packages.cves import ChangelogFindings, VersionChange
from agent.core.packages.decide import Veto
from agent.core.packages.remembered import PackageFacts
from agent.core.policy.origins import OriginPattern
from agent.core.policy.policy import Policy
from agent.core.ports import Archive, ChangelogRequest
from agent.host.apt.agent_files import AgentFiles
from agent.host.apt.archive_items import archives_to_fetch
from agent.host.apt.cache import PackageCache, package_id
from agent.host.apt.candidates import scan
from agent.host.apt.changelogs import ChangelogReader
from agent.host.apt.downgrades import with_companions
from agent.host.apt.download import AptDownload, fetch, mark_exactly
from agent.host.apt.errors import libapt_errors
from agent.host.apt.kernels import kernel_facts
from agent.host.apt.marks import find_version
from agent.host.apt.needed_steps import needed_steps
from agent.host.apt.pro_lists import esm_only
from agent.host.apt.reinstall import reinstallations
from agent.host.apt.resolve import StepOrigins, resolve
from agent.host.apt.unneeded import unneeded
from agent.host.dpkg import database as dpkg_database
from agent.host.locks import LockWaiter
from agent.host.process.deadline import with_time_limit

_PREFETCH_LOCK_TIMEOUT = timedelta(seconds=5)
"""For the lock of apt's archive directory: the next check tries again."""
_READING = "apt cannot read its packages (`apt-get check` may show the same)"
_PLANNING = "apt cannot plan (`apt-get check` may show the same)"


class AptPackageSnapshot:
    """One opened cache. The resolver's marks stay on it, so that a download of its steps needs no second cache.

    A released snapshot opens the cache again when it is used.
    """

    def __init__(self, policy: Policy, *, files: AgentFiles, control: JobControl) -> None:
        self._policy = policy
        self._files = files
        self._control = control
        self._opened: PackageCache | None = None
        self._unmarked = True
        self._marked: frozenset[Step] | None = None
        """The steps whose marks the cache holds."""
        self.missing_archives: tuple[VersionChange, ...] = ()
        """As of the reader of changelogs, after all that it found were taken."""

    @property
    def _cache(self) -> PackageCache:
        if self._opened is None:
            self._opened = PackageCache()
        return self._opened

    def release(self) -> None:
        """Free the cache: 45 MB for Debian's lists where apt keeps no cache file to map."""
        self._opened, self._unmarked, self._marked = None, True, None

    @property
    def open_cache(self) -> PackageCache | None:
        """The open cache, if it shows the packages as they are; its marks are the snapshot's."""
        return self._opened if self._opened is not None and self._opened.is_current else None

    def marked_cache(self, steps: Sequence[Step]) -> PackageCache | None:
        """Return the open cache if it has exactly these steps marked and nothing else changed; None otherwise."""
        cache = self.open_cache
        if cache is None or self._marked != frozenset(steps) or cache.overlaid or not cache.keeps_auto_marks:
            return None
        return cache

    @libapt_errors(_READING)
    def scan(self) -> PackageFacts:
        """Scan the cache, which must have no marks.

        Raises:
            HostError: the package lists or dpkg's database cannot be read.
        """
        return _scan(self._cache, self._policy.security.origins)

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

    def offers(self, package: PackageId, version: str) -> bool:
        """Return whether an authenticated source offers a package in this version."""
        files = frozenset(self._cache.releases) & self._cache.trusted
        return find_version(self._cache, package.name, package.architecture, version, files) is not None

    @libapt_errors(_PLANNING)
    def with_companions(self, old: Mapping[PackageId, str]) -> Mapping[PackageId, str] | None:
        """Return old versions, with those of the packages that must be downgraded with them; None: not possible."""
        return with_companions(PackageCache(), old)

    @libapt_errors(_PLANNING)
    def resolve(self, admitted: Sequence[Update], scope: Scope, veto: Veto) -> Resolution:
        """Run libapt's resolver on an unmarked cache.

        Raises:
            HostError: libapt fails.
        """
        if not self._unmarked:
            self.release()  # clearing marks takes as long, and keeps the restriction of origins
        self._unmarked, self._marked = False, None
        security = self._cache.allowed(self._policy.security.origins)
        allowed = self._cache.allowed(allowed_origins(self._policy, scope))
        origins = StepOrigins(allowed=allowed, security=security)
        resolution = resolve(self._cache, admitted, origins, veto, replacing=scope is Scope.PROVISION)
        self._marked = frozenset(resolution.steps)
        return resolution

    @libapt_errors(_PLANNING)
    def reinstallations(self, repair: Sequence[Repair]) -> tuple[Step, ...]:
        """Return steps that reinstall, at the same version, packages that dpkg can only finish from their archive."""
        cache = PackageCache()
        return reinstallations(cache, repair, cache.allowed(self._policy.security.origins))

    @libapt_errors(_PLANNING)
    def unneeded_after(self, steps: Sequence[Step], scope: Scope) -> NewlyUnneeded:
        """Return what apt calls unneeded once these steps are installed.

        Raises:
            ChangedError, HostError: as `mark_exactly`.
        """
        return unneeded(self._marked_with(steps, scope))

    @libapt_errors(_PLANNING)
    def needed_steps(self, steps: Sequence[Step], wanted: Collection[PackageId], scope: Scope) -> tuple[Step, ...]:
        """Return the smallest part of a plan's steps that installs the wanted ones and breaks nothing."""
        cache = PackageCache()
        return needed_steps(cache, steps, wanted, cache.allowed(allowed_origins(self._policy, scope)))

    def download(self, steps: Sequence[Step], scope: Scope) -> AptDownload:
        """Download and verify the packages of the steps.

        Raises:
            BusyError, ChangedError, NoSpaceError, StoppedError, HostError: as `mark_exactly` and `fetch`.
        """
        return fetch(
            self._marked_with(steps, scope),
            steps,
            download_log=self._files.download_log,
            waiter=LockWaiter(self._policy.apt.lock_timeout, self._control),
            control=self._control,
        )

    def not_downloaded(self, steps: Sequence[Step]) -> tuple[Archive, ...]:
        """Return the archives of security steps that must be fetched.

        Raises:
            ChangedError, HostError: as `mark_exactly` and `fetch`.
        """
        return archives_to_fetch(self._marked_with(steps, Scope.SECURITY), steps)

    def prefetch(self, steps: Sequence[Step]) -> Mapping[PackageId, str]:
        """Download and verify the packages of security steps for a later run; return errors by package.

        Raises:
            BusyError, ChangedError, NoSpaceError, StoppedError, HostError: as `mark_exactly` and `fetch`.
        """
        return fetch(
            self._marked_with(steps, Scope.SECURITY),
            steps,
            download_log=None,
            waiter=LockWaiter(_PREFETCH_LOCK_TIMEOUT, self._control),
            control=with_time_limit(self._control, self._policy.apt.refresh_timeout, "out of time"),
        ).failed

    def read_changelogs(
        self, wanted: Sequence[ChangelogRequest]
    ) -> Iterator[tuple[VersionChange, ChangelogFindings | None]]:
        """Read changelogs from archives; requests without an archive, local or downloadable, are omitted."""
        reader = ChangelogReader(self._policy, scratch=self._files.scratch, control=self._control)
        yield from reader.read(self._cache, wanted)
        self.missing_archives = reader.missing

    @libapt_errors(_PLANNING)
    def _marked_with(self, steps: Sequence[Step], scope: Scope) -> PackageCache:
        """Return a cache with exactly these steps marked: the own one, if it holds them already."""
        if self._marked == frozenset(steps) or (self._unmarked and not steps):
            return self._cache
        cache = PackageCache()
        mark_exactly(cache, steps, cache.allowed(allowed_origins(self._policy, scope)))
        return cache


def allowed_origins(policy: Policy, scope: Scope) -> tuple[OriginPattern, ...] | None:
    """Return the origins that steps of a scope may come from; None for any."""
    return policy.security.origins if scope is Scope.SECURITY else None


def _scan(cache: PackageCache, patterns: tuple[OriginPattern, ...]) -> PackageFacts:
    found = scan(cache, patterns)
    known = {*apt_pkg.get_architectures(), "all"}
    foreign = (one for one in cache.dpkg_packages if one.current_ver and one.architecture not in known)
    return PackageFacts(
        updates=found.updates,
        esm_only=esm_only(cache, patterns, found.updates),
        repair=found.repair,
        kernels=kernel_facts(cache),
        journal=bool(dpkg_database.journal()),
        excluded=cache.excluded,
        foreign=tuple(package_id(package) for package in foreign),
    )
