"""Facts observed on the machine, as frozen values."""

from datetime import datetime
from enum import Enum

from agent.core.frozen import frozen, replace
from agent.core.model.kernels import NO_KERNEL_FACTS, UNKNOWN_KERNEL, KernelFacts, RunningKernel
from agent.core.model.package import OfPackage
from agent.core.model.waiting import Age, Snooze


class ListsState(Enum):
    """How current the package lists are."""

    FRESH = "fresh"
    STALE = "stale"
    NEVER = "never"
    PARTIAL = "partial"


class SourceFault(Enum):
    """Fault of one package source."""

    UNREACHABLE = "unreachable"
    NOT_FOUND = "not-found"
    BAD_SIGNATURE = "bad-signature"
    UNSIGNED = "unsigned"
    EXPIRED = "expired"
    CORRUPT = "corrupt"
    NEVER_FETCHED = "never-fetched"
    NOT_CONFIGURED = "not-configured"
    OTHER = "other"
    UNAUTHORIZED = "unauthorized"
    """The server or a proxy refuses access: 401, 403, 407."""
    NOT_YET_VALID = "not-yet-valid"
    """The archive signed the lists in the future: a clock is wrong, mostly this machine's."""
    RELEASE_CHANGED = "release-changed"
    """Origin, Label, Suite or Codename changed, which an administrator must accept (apt-secure(8))."""
    NOT_OFFERED = "not-offered"
    """The suite does not have a configured component, or this architecture."""
    OUTDATED = "outdated"
    """The newest lists of a security source are old."""
    HOOK_FAILED = "hook-failed"
    """A script that apt's configuration runs at an update failed."""
    APT = "apt"
    """Anything else that apt reported beside its sources."""
    FOREIGN_PACKAGES = "foreign-packages"
    """Packages of an architecture that dpkg is not configured for any more are installed: nothing upgrades them."""


ADVISORY = frozenset(
    {
        SourceFault.NOT_OFFERED,
        SourceFault.OUTDATED,
        SourceFault.HOOK_FAILED,
        SourceFault.APT,
        SourceFault.FOREIGN_PACKAGES,
    }
)
"""Faults that ask for attention and leave the lists as current as they are."""
APT_SOURCE = "apt"
"""The `source` of an error that belongs to no source, but to apt itself."""


@frozen
class Unseen:
    """A fact that could not be read, and why."""

    reason: str


@frozen
class SourceError:
    """One package source that may be out of date."""

    source: str
    """URI and suite, as in sources.list."""
    fault: SourceFault
    detail: str
    security: bool | None = None
    """Whether this source carries an allowed origin; None if its Release file was never fetched."""


@frozen
class SourceLists:
    """How current the lists of one configured source are."""

    source: str
    """As in `SourceError`."""
    security: bool | None
    """As in `SourceError`."""
    verified_at: datetime | None
    """When they were last fetched or confirmed, by whomever, and authenticated; None if that is unknown."""
    released_at: datetime | None
    """When the archive published them: the Date of its Release file."""
    origin: str = ""
    """Origin of its Release file; this and what follows is in no document."""
    archive: str = ""
    """Suite of its Release file."""
    enabled: bool = True
    """False: apt's preferences exclude everything in it, as the Pro client does for a service that is not enabled."""


@frozen
class Lists:
    """State of the package lists at an observation."""

    state: ListsState
    updated_at: datetime | None
    """The oldest `verified_at` of the security sources; None if any is unknown."""
    errors: tuple[SourceError, ...] = ()
    sources: tuple[SourceLists, ...] = ()


@frozen
class Update(OfPackage):
    """A newer version available for an installed package, with everything that the gates evaluate."""

    package: str
    architecture: str
    installed: str
    candidate: str
    origin: str
    archive: str
    security: bool
    download_bytes: int
    trusted: bool = True
    conflicting_origin: str = ""
    """An origin that is not allowed and offers another package under the same version; empty if there is none."""
    on_hold: bool = False
    pin: str | None = None
    """Description of the apt preference that excludes this version; None if there is none."""
    phased: int | None = None
    """Phased-Update-Percentage that defers this version on this machine; None if it is not deferred."""
    source: str = ""
    """Source package of the candidate; empty if unknown."""
    cves: tuple[str, ...] = ()
    """CVE ids that its changelog names, as far as it was read."""
    cves_complete: bool = False
    """Whether `cves` has all of them."""
    snoozes: tuple[Snooze, ...] = ()
    """Those in force that name its package or one of its CVEs; whether they hold it: `agent.core.packages.snoozes`."""
    age: Age | None = None
    """How long this machine has known of it; None: unknown, or it need not wait."""


UNMET_DEPENDENCIES = "unmet-dependencies"
"""State of an installed package whose dependencies are not met: dpkg cannot finish it by itself."""


@frozen
class Repair(OfPackage):
    """A package that dpkg left unfinished; `state` is dpkg's ("half-configured"), or `UNMET_DEPENDENCIES`."""

    package: str
    architecture: str
    state: str


@frozen
class Reboot:
    """Whether a reboot is required, by `/run/reboot-required` or by a newer kernel than the running one, and why."""

    required: bool
    packages: tuple[str, ...] = ()
    since: datetime | None = None
    flagged: bool = False
    """Whether the flag of `agent.host.reboot.flag` is set. This and what follows is in no document."""
    flag_packages: tuple[str, ...] = ()
    """Packages that set the flag by name."""
    removed: tuple[str, ...] = ()
    """Those of them that are no longer installed."""
    kernel: RunningKernel = UNKNOWN_KERNEL
    host_kernel: bool = False
    """Whether this is a container, whose kernel is the host's."""

    def since_at_least(self, earlier: datetime | None) -> "Reboot":
        """Return the same requirement with an earlier time that is on record; None: none is."""
        if not self.required or earlier is None or (self.since is not None and self.since <= earlier):
            return self
        return replace(self, since=earlier)


@frozen
class Facts:
    """One observation of the machine. `seen_at` is the only clock."""

    seen_at: datetime
    lists: Lists
    updates: tuple[Update, ...]
    """A package may occur twice: with its security update, and with the version that apt would install instead.

    That is higher, or lower where apt's preferences have it so (`APT::Default-Release`).
    """
    repair: tuple[Repair, ...]
    reboot: Reboot | Unseen
    kernels: KernelFacts = NO_KERNEL_FACTS
    journal: bool = False
    """Whether an interrupted dpkg left journal entries that are not merged into its database yet."""
    esm_only: tuple[Update, ...] = ()
    """Fixes that only Ubuntu Pro brings, by a service that is not enabled: no configured source has them."""
    snoozes: tuple[Snooze, ...] = ()
    """Those in force."""


@frozen
class PackageState:
    """State of one package in dpkg's database; `state` is dpkg's, "installed" for a healthy package."""

    version: str | None
    state: str


@frozen
class KnownPackage(OfPackage):
    """One package that apt knows, installed or not."""

    package: str
    architecture: str
    installed: str | None
    on_hold: bool
