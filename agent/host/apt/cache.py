"""Opens libapt's view of the packages: configuration, sources, cache, and which index files may be believed."""

import warnings
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import apt_pkg

from agent.core.policy.origins import OriginPattern, ReleaseFields
from agent.errors import HostError
from agent.host.apt.errors import libapt_errors
from agent.host.apt.sources import read_sources
from agent.host.apt.status_overlay import named_overlay, new_directory, write_overlay
from agent.host.dpkg import database as dpkg_database
from agent.host.dpkg.environment import KEEP_LOCAL_CONFFILES

_REINSTALL = (apt_pkg.INSTSTATE_REINSTREQ, apt_pkg.INSTSTATE_HOLD_REINSTREQ)
_AT_REST = {"installed", "not-installed", "config-files"}
"""States in which dpkg has nothing left to do for a package."""
_REFUSED = -32768
"""The priority that keeps libapt from ever choosing a version (apt_preferences(5) reserves below -1)."""


def configure() -> None:
    """Read apt's configuration and set what an unattended run needs; call once, before anything else here.

    Raises:
        HostError: apt.conf cannot be parsed; the message is libapt's own with file and line.
    """
    with libapt_errors("apt's configuration cannot be read (`apt-config dump` shows the same)"):
        # What libapt warns of is told of its source; python-apt would print it as well, as a Python warning.
        warnings.simplefilter("ignore")
        apt_pkg.init_config()
        for option in KEEP_LOCAL_CONFFILES:
            apt_pkg.config.set("DPkg::Options::", option)
        apt_pkg.config.set("APT::Get::AllowUnauthenticated", "false")
        apt_pkg.config.set("Acquire::AllowInsecureRepositories", "false")
        apt_pkg.config.set("APT::Color", "false")
        apt_pkg.init_system()


class PackageCache:
    """The opened package cache with its dependency marks. Short-lived: reopen after anything was changed."""

    def __init__(self) -> None:
        """Open the cache, building it in memory where apt keeps none on disk.

        Raises:
            HostError: sources or lists cannot be read; the message names file and line.
        """
        self.overlaid: Mapping[tuple[str, str], str] = {}
        """Real states, by name and architecture, of what libapt sees otherwise (`write_overlay`)."""
        try:
            self._open()
        except HostError as error:
            stuck = named_overlay(str(error))
            if not stuck:
                raise
            self._open_shadowed(stuck)
        stuck = self._keep_unfinished()
        if stuck:
            self._open_shadowed(stuck.union(name for name, _ in self.overlaid))
            self._keep_unfinished()
        self.broken_before = self.broken()
        self._broken_elsewhere = self.depcache.broken_count - len(self.broken_before)

    def _open(self) -> None:
        with libapt_errors("the package lists cannot be opened (`apt-get check` shows the same)"):
            self.cache = apt_pkg.Cache(None)
            self.sources = apt_pkg.SourceList()
            self.sources.read_main_list()
            self.depcache = apt_pkg.DepCache(self.cache)
        if "dpkg" not in self.cache or self.cache["dpkg"].current_ver is None:
            raise HostError(
                "dpkg's status file says that not even dpkg is installed, so it is damaged; "
                "/var/lib/dpkg/status-old or /var/backups/dpkg.status.0 may restore it"
            )
        self.rivals: dict[int, str | None] = {}
        """What `candidates.rival_of` found, by version id: comparing checksums means reading the lists."""

    @cached_property
    def dpkg_packages(self) -> tuple[apt_pkg.Package, ...]:
        """The packages that dpkg knows: walking all that apt knows would take a tenth of opening them."""
        names = dpkg_database.names()
        return tuple(self.cache[name] for name in names if name in self.cache)

    def _open_shadowed(self, packages: frozenset[str]) -> None:
        self._shadow = new_directory()
        states = ((*name.split(":"), state.state) for name, state in dpkg_database.states().items())
        self.overlaid = {
            (name, architecture): state
            for name, architecture, state in states
            if name in packages and state not in _AT_REST
        }
        self.__dict__.pop("dpkg_packages", None)
        with write_overlay(packages, Path(self._shadow.name)):
            self._open()

    def _keep_unfinished(self) -> frozenset[str]:
        """Take back the reinstallations that libapt marks by itself: what is done is decided by the plan.

        Returns the packages that it will not leave as they are (pkgDepCache::MarkKeep refuses a package that
        has to be unpacked again and whose present version is offered nowhere).
        """
        stuck = set()
        for package in self.dpkg_packages:
            if package.inst_state in _REINSTALL:
                self.depcache.set_reinstall(package, False)
                self.depcache.mark_keep(package)
                if not self.depcache.marked_keep(package):
                    stuck.add(package.name)
        return frozenset(stuck)

    def broken(self) -> frozenset[int]:
        """Return ids of present packages that would have unmet dependencies after what is marked."""
        if not self.depcache.broken_count:
            return frozenset()
        return frozenset(p.id for p in self.dpkg_packages if self.depcache.is_inst_broken(p))

    def breaks_nothing(self) -> bool:
        """Whether what is marked removes nothing and breaks nothing that was not broken before."""
        if self.depcache.del_count:
            return False
        broken = self.broken()
        new = self.depcache.broken_count - len(broken)  # what is not present yet may be broken, too
        return new <= self._broken_elsewhere and broken <= self.broken_before

    @cached_property
    def records(self) -> apt_pkg.PackageRecords:
        """The full stanzas behind the cache, opened on first use."""
        return apt_pkg.PackageRecords(self.cache)

    @cached_property
    def releases(self) -> dict[int, ReleaseFields]:
        """What each downloadable index file's repository says of itself, by file id."""
        found = {}
        for file in self.cache.file_list:
            # What is not UTF-8 matches no pattern, so that one such archive stops nothing but itself.
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
        """Ids of the index files whose Release file was authenticated."""
        found = set()
        for file in self.cache.file_list:
            index = None if file.not_source else self.sources.find_index(file)
            if index is not None and index.is_trusted:
                found.add(file.id)
        return frozenset(found)

    @cached_property
    def not_automatic(self) -> frozenset[int]:
        """Ids of the index files whose Release file says NotAutomatic; python-apt's attribute says something else."""
        sources = read_sources(self.sources)
        homes = tuple(source.home for source in sources if source.fields.get("NotAutomatic", "").lower() == "yes")
        return frozenset(file.id for file in self.cache.file_list if homes and file.filename.startswith(homes))

    @cached_property
    def kept_by_apt(self) -> frozenset[int]:
        """Ids of installed packages that `apt-get upgrade` itself would leave as they are, phasing among its reasons.

        Asked of libapt rather than computed: who is in a phase is apt's own draw, from the machine's id.
        Forgets all marks.
        """
        self.depcache.upgrade(False)
        kept = frozenset(p.id for p in self.dpkg_packages if p.current_ver and self.depcache.marked_keep(p))
        self.forget_marks()
        return kept

    def forget_marks(self) -> None:
        """Begin marking anew; takes about as long as opening the cache."""
        self.depcache.init()
        self._keep_unfinished()

    def allowed(self, patterns: tuple[OriginPattern, ...] | None) -> frozenset[int]:
        """Ids of the index files that match any pattern, or of all (None), whether authenticated or not."""
        if patterns is None:
            return frozenset(self.releases)
        return frozenset(
            file_id
            for file_id, release in self.releases.items()
            if any(pattern.matches(release) for pattern in patterns)
        )

    def restrict_to(self, files: frozenset[int]) -> None:
        """Forget all marks and let libapt choose from these index files (and what is installed) alone."""
        policy = self.depcache.policy
        for file in self.cache.file_list:
            if not file.not_source and file.id not in files:
                policy.set_priority(file, _REFUSED)
        self.forget_marks()
