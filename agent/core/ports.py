"""What the jobs need from a machine, as protocols: implemented by the adapters and by the tests' simulator."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from agent.core.exposure import InstalledFiles
from agent.core.frozen import frozen
from agent.core.model.facts import (
    ADVISORY,
    APT_SOURCE,
    KnownPackage,
    Lists,
    PackageState,
    Reboot,
    Repair,
    SourceError,
    Unseen,
    Update,
)
from agent.core.model.kernels import NO_KERNEL_FACTS, KernelFacts, NewlyUnneeded, Removal
from agent.core.model.outcome import LockWait
from agent.core.model.package import PackageId
from agent.core.model.plan import Resolution, Step
from agent.core.model.release import Release
from agent.core.model.scope import Scope
from agent.core.model.transaction import TransactionReport
from agent.core.packages.cves import ChangelogFindings, Findings, VersionChange
from agent.core.packages.decide import Veto
from agent.core.packages.explain_cve import InstalledFixes
from agent.core.packages.remembered import RememberedPackages
from agent.core.reboot.services import ServiceScan


@frozen
class RefreshAttempt:
    """What one refresh of the package lists ended with."""

    verified: tuple[str, ...]
    """The sources whose lists were fetched or confirmed as current, and authenticated, named as in `SourceError`."""
    errors: tuple[SourceError, ...] = ()


@frozen
class RefreshResult:
    """What is on record of refreshing the package lists."""

    verified_at: datetime | None
    """When the lists of all sources were last verified at once."""
    errors: tuple[SourceError, ...] = ()
    """Errors of the last refresh."""
    sources: Mapping[str, datetime] | None = None
    """When the lists of each source were last verified; None in a record that does not have them."""
    finished_at: datetime | None = None
    """When the last refresh ended; None in a record that does not have it."""

    def verified(self, source: str) -> datetime | None:
        """Return when a source's lists were last verified; None if the agent never did."""
        return self.verified_at if self.sources is None else self.sources.get(source)

    def after(self, attempt: RefreshAttempt, now: datetime) -> "RefreshResult":
        """Return what is on record after another refresh."""
        failed = (error.source for error in attempt.errors)
        known = {source: self.verified(source) for source in failed if source != APT_SOURCE}
        sources = {source: time for source, time in known.items() if time is not None}
        complete = not any(error.fault not in ADVISORY for error in attempt.errors)
        return RefreshResult(
            verified_at=now if complete else self.verified_at,
            errors=attempt.errors,
            sources={**sources, **dict.fromkeys(attempt.verified, now)},
            finished_at=now,
        )


@frozen
class PackagesSeen:
    """The facts about the packages at one moment."""

    lists: Lists
    updates: tuple[Update, ...]
    repair: tuple[Repair, ...]
    kernels: KernelFacts = NO_KERNEL_FACTS
    journal: bool = False
    """This and what follows as in `agent.core.model.facts.Facts`."""
    esm_only: tuple[Update, ...] = ()


class Download(Protocol):
    """The downloaded packages of some steps."""

    @property
    def failed(self) -> Mapping[PackageId, str]:
        """Error by package."""

    @property
    def downloaded_bytes(self) -> int:
        """Bytes fetched; packages that were already there do not count."""

    def conffile_prompts(self) -> Mapping[PackageId, str]:
        """Return which of the steps would make dpkg prompt, each with the files and why. Raises HostError."""


@frozen
class ChangelogRequest:
    """A request to read one changelog."""

    subject: VersionChange
    security: bool
    """True: the package must come from an allowed origin; False: from any authenticated one."""
    may_fetch: bool
    """Whether the archive may be downloaded just to read it."""


@frozen
class Archive:
    """One package file in apt's archive directory."""

    package: str
    architecture: str
    version: str
    file: str = ""
    """Its name in that directory; empty if it is the usual one."""


class PackageQueries(Protocol):
    """What the packages at one moment are asked. Every method may raise HostError.

    Outdated once a package changes: then `download`, and installing the steps, raise ChangedError.
    """

    def find(self, name: str) -> KnownPackage | None:
        """Return a package by name, with or without `:architecture`; None if there is none."""

    def similar(self, name: str) -> tuple[str, ...]:
        """Return names of installed packages that resemble this one."""

    def offers(self, package: PackageId, version: str) -> bool:
        """Return whether an authenticated source offers a package in this version."""

    def with_companions(self, old: Mapping[PackageId, str]) -> Mapping[PackageId, str] | None:
        """Return old versions, with those of the packages that must be downgraded with them; None: not possible."""

    def resolve(self, admitted: Sequence[Update], scope: Scope, veto: Veto) -> Resolution:
        """Turn admitted updates of this snapshot into steps."""

    def reinstallations(self, repair: Sequence[Repair]) -> tuple[Step, ...]:
        """Return steps that reinstall what dpkg can only finish from its archive."""

    def unneeded_after(self, steps: Sequence[Step], scope: Scope) -> NewlyUnneeded:
        """Return what apt calls unneeded once these steps are installed; what it calls so before them counts, too."""

    def needed_steps(self, steps: Sequence[Step], wanted: Collection[PackageId], scope: Scope) -> tuple[Step, ...]:
        """Return the smallest part of a plan's steps that installs the wanted ones and breaks nothing."""

    def download(self, steps: Sequence[Step], scope: Scope) -> Download:
        """Download and verify the packages of the steps. Raises BusyError, NoSpaceError and StoppedError, too."""

    def not_downloaded(self, steps: Sequence[Step]) -> tuple[Archive, ...]:
        """Return the archives of security steps that must be fetched. Raises ChangedError, too."""

    def prefetch(self, steps: Sequence[Step]) -> Mapping[PackageId, str]:
        """Download security steps for a later run; return errors by package. Raises as `download`, BusyError soon."""

    def read_changelogs(
        self, wanted: Sequence[ChangelogRequest]
    ) -> Iterator[tuple[VersionChange, ChangelogFindings | None]]:
        """Read changelogs at idle priority, with downloads where allowed; omits those that are not available."""


class PackageSnapshot(PackageQueries, Protocol):
    """The packages at one moment, with the facts about them."""

    @property
    def seen(self) -> PackagesSeen:
        """The facts about the packages."""

    @property
    def remembered(self) -> RememberedPackages | None:
        """What a later snapshot may be made of instead of libapt's cache; None: nothing new, or nothing."""


class PackageEngine(Protocol):
    """The package manager. Every method may raise HostError; those that change anything, BusyError and ChangedError."""

    @property
    def lock(self) -> LockWait:
        """Time spent waiting for and holding the locks so far, and the last holder waited for."""

    def apt_daily_lock(self) -> AbstractContextManager[None]:
        """Exclude the distribution's daily jobs during the block; a running one is waited for."""

    def wait_for_dpkg(self) -> bool:
        """Wait until no other program holds dpkg's locks, or too long; return whether one held them."""

    def require_idle_dpkg(self) -> None:
        """Wait until no other program holds dpkg's locks. Raises BusyError and StoppedError."""

    def refresh(self) -> RefreshAttempt:
        """Fetch the package lists."""

    def open(
        self, now: datetime, refreshed: RefreshResult, remembered: RememberedPackages | None = None
    ) -> PackageSnapshot:
        """Open the packages as they are now; by what is remembered of an earlier snapshot, if nothing has changed."""

    def install(self, steps: Sequence[Step], scope: Scope, *, keep_going: bool = False) -> TransactionReport:
        """Install the steps in one transaction.

        With `keep_going` an error does not stop it: the error may belong to another package that is still broken.
        """

    def remove(self, removals: Sequence[Removal]) -> TransactionReport:
        """Remove exactly these packages and keep their conffiles."""

    def repair(self) -> TransactionReport:
        """Finish what dpkg left unfinished."""

    def states(self) -> Mapping[PackageId, PackageState]:
        """Read dpkg's state of every package."""

    def kept_conffiles(self, packages: Sequence[PackageId], since: datetime) -> tuple[str, ...]:
        """Return local conffiles of these packages that were kept since then."""

    def remove_downloads(self) -> None:
        """Remove the archives that downloads, but not prefetches, put on the machine."""

    def not_downloaded(self, steps: Sequence[Step]) -> tuple[Archive, ...]:
        """Return the steps' archives that are not on the machine under their usual names; quick."""

    def discard(self, archives: Sequence[Archive]) -> None:
        """Remove archives, unless the package manager is configured to keep them."""

    def installed_fixes(self, cve: str) -> InstalledFixes:
        """Search the changelogs of all installed packages for a CVE."""

    def read_installed_changelogs(self, subjects: Sequence[VersionChange]) -> Findings:
        """Read the changelogs of packages just upgraded."""


class Machine(Protocol):
    """The facts about the machine that are not about packages."""

    def now(self) -> datetime:
        """Return the current time, aware and in UTC."""

    def reboot(self) -> Reboot | Unseen:
        """Return whether a reboot is required."""

    def release(self) -> Release | None:
        """Return the release of the distribution; None if it is unknown."""

    def scan_services(self) -> ServiceScan:
        """Return what still runs replaced files. Takes a second for 10,000 processes."""

    def installed_files(
        self, packages: Collection[PackageId], paths: Collection[str]
    ) -> Mapping[PackageId, InstalledFiles]:
        """Return what dpkg's database has of some packages, with those of the paths that each owns."""
