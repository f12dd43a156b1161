"""Opens libapt's package cache: sources, dependency marks, and which index files are trusted."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

import apt_pkg

from agent.core.model.package import PackageId
from agent.core.policy.origins import OriginPattern, ReleaseFields
from agent.errors import HostError
from agent.host.apt.errors import LIBAPT_ERRORS, libapt_errors
from agent.host.apt.setting_place import setting_place
from agent.host.apt.sources import read_sources
from agent.host.apt.status_overlay import named_overlay, new_directory, write_overlay
from agent.host.dpkg import database as dpkg_database

_REINSTALL = (apt_pkg.INSTSTATE_REINSTREQ, apt_pkg.INSTSTATE_HOLD_REINSTREQ)
_AT_REST = {"installed", "not-installed", "config-files"}
"""States without pending work for dpkg."""
_DEFAULT_RELEASE = "APT::Default-Release"
_NEVER = -32768
"""Pin priority at which libapt never chooses a version (apt_preferences(5): negative)."""
_EVERY_PHASE = "APT::Get::Always-Include-Phased-Updates"
"""Setting by which apt takes no notice of rollouts (apt.conf(5))."""


def package_id(package: apt_pkg.Package) -> PackageId:
    """Return libapt's package as a value; `all` counts as the native architecture here, too."""
    return PackageId(name=package.name, architecture=package.architecture)


@contextmanager
def _naming_the_setting() -> Iterator[None]:
    """Add to an error about `APT::Default-Release` which file sets it; libapt names the file of all other errors."""
    try:
        yield
    except HostError as error:
        place = setting_place(_DEFAULT_RELEASE) if _DEFAULT_RELEASE in str(error) else ""
        if not place:
            raise
        raise HostError(f"{error}; {place} sets it") from error


def _stamp() -> tuple[int, ...]:
    """Return what changes with the lists and with dpkg's database."""
    status = dpkg_database.status_file()
    places = (str(status), f"{status.parent}/updates", apt_pkg.config.find_dir("Dir::State::lists"))
    return tuple(os.stat(place).st_mtime_ns if os.path.exists(place) else 0 for place in places)


class PackageCache:
    """The open package cache with its dependency marks. Short-lived: reopen it after every change."""

    def __init__(self) -> None:
        """Open the cache; it is built in memory if apt keeps none on disk.

        Raises:
            HostError: sources or lists cannot be read; the message names file and line.
        """
        self._stamp = _stamp()
        self._priorities: dict[int, int] = {}
        """Priority of each index file by id, before any restriction."""
        self.withheld: set[int] = set()
        """IDs of the versions that `withhold` keeps from libapt."""
        self.overlaid: Mapping[PackageId, str] = {}
        """Real states, by name and architecture, of packages whose state the overlay hides (`write_overlay`)."""
        try:
            self._open()
        except HostError as error:
            stuck = named_overlay(str(error))
            if not stuck:
                raise
            self._open_overlaid(stuck)
        stuck = self._cancel_reinstalls()
        if stuck:
            self._open_overlaid(stuck.union(package.name for package in self.overlaid))
            self._cancel_reinstalls()
        self.broken_before = self.broken()
        self._broken_elsewhere = self.depcache.broken_count - len(self.broken_before)
        self._automatic_before = self._automatic()

    def _open(self) -> None:
        # Sources, lists or preferences: libapt's own message names the file.
        with _naming_the_setting(), libapt_errors("apt cannot open its packages (`apt-get check` shows the same)"):
            self.pkg_cache = apt_pkg.Cache(None)
            self.sources = apt_pkg.SourceList()
            self.sources.read_main_list()
            self.depcache = apt_pkg.DepCache(self.pkg_cache)
        if "dpkg" not in self.pkg_cache or self.pkg_cache["dpkg"].current_ver is None:
            raise HostError(
                "dpkg's status file is damaged: it does not list dpkg itself; "
                "restore it from /var/lib/dpkg/status-old or /var/backups/dpkg.status.0"
            )
        self.conflicting_origins: dict[int, str | None] = {}
        """Results of `candidates.conflicting_origin` by version ID: comparing checksums reads the lists."""

    @cached_property
    def dpkg_packages(self) -> tuple[apt_pkg.Package, ...]:
        """The packages that dpkg knows. Walking all of apt's would add a tenth of the time to open the cache."""
        names = [(package.name, package.architecture) for package in dpkg_database.packages()]
        return tuple(self.pkg_cache[key] for key in names if key in self.pkg_cache)

    def _open_overlaid(self, packages: frozenset[str]) -> None:
        self._overlay = new_directory()
        self.overlaid = {
            package: state.state
            for package, state in dpkg_database.states().items()
            if package.name in packages and state.state not in _AT_REST
        }
        self.__dict__.pop("dpkg_packages", None)
        with write_overlay(packages, Path(self._overlay.name)):
            self._open()

    def _cancel_reinstalls(self) -> frozenset[str]:
        """Cancel the reinstalls that libapt marks by itself: the plan decides.

        Returns the packages that libapt refuses to keep (pkgDepCache::MarkKeep refuses a package that must be
        unpacked again if no source offers its current version).
        """
        stuck = set()
        for package in self.dpkg_packages:
            if package.inst_state in _REINSTALL:
                self.depcache.set_reinstall(package, False)
                self.depcache.mark_keep(package)
                if not self.depcache.marked_keep(package):
                    stuck.add(package.name)
        return frozenset(stuck)

    def _automatic(self) -> tuple[bool, ...]:
        return tuple(self.depcache.is_auto_installed(one) for one in self.dpkg_packages if one.current_ver is not None)

    @property
    def keeps_auto_marks(self) -> bool:
        """Whether the installed packages have the auto-installed marks that they had when the cache was opened."""
        return self._automatic() == self._automatic_before

    @property
    def is_current(self) -> bool:
        """Whether neither the lists nor dpkg's database changed since the cache was opened."""
        return self._stamp == _stamp()

    def broken(self) -> frozenset[int]:
        """Return IDs of dpkg's packages that would have unmet dependencies with the current marks."""
        if not self.depcache.broken_count:
            return frozenset()
        return frozenset(p.id for p in self.dpkg_packages if self.depcache.is_inst_broken(p))

    def breaks_nothing(self, *, removed: int = 0) -> bool:
        """Whether the marks remove no more packages than these and break none that was not broken before."""
        if self.depcache.del_count > removed:
            return False
        broken = self.broken()
        new = self.depcache.broken_count - len(broken)  # a new package may be broken, too
        return new <= self._broken_elsewhere and broken <= self.broken_before

    @cached_property
    def preferences(self) -> apt_pkg.Policy:
        """The preferences of the machine (apt_preferences(5)), without what `restrict_to` changes for the marks."""
        policy = apt_pkg.Policy(self.pkg_cache)
        with libapt_errors("apt cannot read its preferences"):
            policy.read_pinfile(apt_pkg.config.find_file("Dir::Etc::Preferences"))
            policy.read_pindir(apt_pkg.config.find_dir("Dir::Etc::PreferencesParts"))
        return policy

    @cached_property
    def records(self) -> apt_pkg.PackageRecords:
        """The full stanzas, opened on first use."""
        return apt_pkg.PackageRecords(self.pkg_cache)

    @cached_property
    def releases(self) -> dict[int, ReleaseFields]:
        """Release fields of each downloadable index file's repository, by file ID."""
        found = {}
        for file in self.pkg_cache.file_list:
            # Fields that are not UTF-8 match no pattern, so that such an archive affects only itself.
            with suppress(UnicodeDecodeError):
                if not file.not_source:
                    found[file.id] = ReleaseFields(
                        origin=file.origin or "",
                        label=file.label or "",
                        archive=file.archive or "",
                        codename=file.codename or "",
                        component=file.component or "",
                        site=file.site or "",
                    )
        return found

    @cached_property
    def trusted(self) -> frozenset[int]:
        """IDs of the index files whose Release file was authenticated."""
        found = set()
        for file in self.pkg_cache.file_list:
            index = None if file.not_source else self.sources.find_index(file)
            if index is not None and index.is_trusted:
                found.add(file.id)
        return frozenset(found)

    @cached_property
    def not_automatic(self) -> frozenset[int]:
        """IDs of index files with NotAutomatic in their Release file; python-apt's attribute means something else."""
        sources = read_sources(self.sources)
        prefixes = tuple(source.path_prefix for source in sources if source.field("NotAutomatic").lower() == "yes")
        return frozenset(
            file.id for file in self.pkg_cache.file_list if prefixes and file.filename.startswith(prefixes)
        )

    @property
    def excluded(self) -> tuple[str, ...]:
        """Paths of the index files that apt's preferences exclude: a negative priority (apt_preferences(5))."""
        policy = self.depcache.policy
        files = (file for file in self.pkg_cache.file_list if not file.not_source)
        return tuple(file.filename for file in files if self._priorities.get(file.id, policy.get_priority(file)) < 0)

    def is_deferred(self, package: apt_pkg.Package) -> bool:
        """Whether `dist-upgrade` would keep an installed package back only because a rollout has not come this far.

        From libapt and not computed here: apt derives a machine's phase from its machine ID. Clears all marks.
        """
        return package.id in self._kept_back and package.id not in self._kept_back_in_any_phase

    @cached_property
    def _kept_back(self) -> frozenset[int]:
        """IDs of installed packages that `dist-upgrade` would keep back, for phasing among other reasons."""
        kept = self._upgraded_around()
        self.forget_marks()
        return kept

    @cached_property
    def _kept_back_in_any_phase(self) -> frozenset[int]:
        """IDs of those that it would keep back even if every rollout had reached this machine."""
        setting = apt_pkg.config.find(_EVERY_PHASE)
        apt_pkg.config.set(_EVERY_PHASE, "true")
        try:
            self.forget_marks()  # apt of Ubuntu 22.04 does not even choose a version whose rollout is not here yet
            return self._upgraded_around()
        finally:
            apt_pkg.config.set(_EVERY_PHASE, setting)
            self.forget_marks()

    def _upgraded_around(self) -> frozenset[int]:
        """Mark what `dist-upgrade` would do; return the IDs of the installed packages that it leaves alone."""
        with suppress(*LIBAPT_ERRORS):  # a dependency that stays unmet elsewhere; the other marks are as without it
            self.depcache.upgrade(True)
        return frozenset(p.id for p in self.dpkg_packages if p.current_ver and self.depcache.marked_keep(p))

    def forget_marks(self) -> None:
        """Clear all marks; takes about as long as opening the cache."""
        self.depcache.init()
        self._cancel_reinstalls()

    def allowed(self, patterns: tuple[OriginPattern, ...] | None) -> frozenset[int]:
        """Return IDs of the index files that match any pattern, or of all (None), authenticated or not."""
        if patterns is None:
            return frozenset(self.releases)
        return frozenset(
            file_id
            for file_id, release in self.releases.items()
            if any(pattern.matches(release) for pattern in patterns)
        )

    def restrict_to(self, files: frozenset[int]) -> None:
        """Clear all marks and restrict libapt to these index files and the installed versions.

        It replaces an earlier restriction.
        """
        policy = self.depcache.policy
        for file in self.pkg_cache.file_list:
            if not file.not_source:
                priority = self._priorities.setdefault(file.id, policy.get_priority(file))
                policy.set_priority(file, priority if file.id in files else _NEVER)
        self.forget_marks()

    def withhold(self, versions: Iterable[apt_pkg.Version]) -> bool:
        """Keep libapt from choosing these versions by itself, from `forget_marks` on; return whether any is new to it.

        For as long as the cache is open: libapt cannot take the pin of a version back.
        """
        policy, fresh = self.depcache.policy, [version for version in versions if version.id not in self.withheld]
        for version in fresh:
            # The first pin of a version counts. This takes away one of the preferences, but libapt reads no priority
            # from it (pkgPolicy::SetPriority), so that it takes another pin to set one.
            policy.set_priority(version, _NEVER)
            policy.create_pin("Version", version.parent_pkg.get_fullname(False), version.ver_str, _NEVER)
        self.withheld.update(version.id for version in fresh)
        return bool(fresh)
