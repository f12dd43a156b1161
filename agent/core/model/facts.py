"""What was observed of the machine, as frozen values."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from agent.core.model.kernels import NO_KERNEL_FACTS, KernelFacts
from agent.core.model.package import PackageId


class ListsState(Enum):
    """How far the package lists can be believed."""

    FRESH = "fresh"
    STALE = "stale"
    NEVER = "never"
    PARTIAL = "partial"


class SourceFault(Enum):
    """What is wrong with one package source."""

    UNREACHABLE = "unreachable"
    NOT_FOUND = "not-found"
    BAD_SIGNATURE = "bad-signature"
    UNSIGNED = "unsigned"
    EXPIRED = "expired"
    CORRUPT = "corrupt"
    NEVER_FETCHED = "never-fetched"
    NOT_CONFIGURED = "not-configured"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """A fact that could not be read, and why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceError:
    """One package source that cannot be trusted to be current."""

    source: str
    """URI and suite, as a person would recognise them in sources.list."""
    fault: SourceFault
    detail: str
    security: bool | None = None
    """Whether this source carries an allowed origin; None where its lists never said what they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """State of the package lists the look was made with."""

    state: ListsState
    updated_at: datetime | None
    errors: tuple[SourceError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A newer version on offer for an installed package, with all that the gates want to know of it."""

    package: str
    architecture: str
    installed: str
    candidate: str
    origin: str
    archive: str
    security: bool
    download_bytes: int
    trusted: bool = True
    rival: str = ""
    """An origin that is not allowed and offers another package under the very same version; empty where none does."""
    on_hold: bool = False
    pin: str | None = None
    """The apt preference that keeps this version out, in words; None where none does."""
    phased: int | None = None
    """Phased-Update-Percentage that defers this version on this machine; None where none does."""

    @property
    def id(self) -> PackageId:
        """Package name and architecture."""
        return PackageId(name=self.package, architecture=self.architecture)


UNMET_DEPENDENCIES = "unmet-dependencies"
"""State of an installed package whose dependencies are not met: nothing that dpkg could finish by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """A package that dpkg left unfinished; `state` in dpkg's own words ("half-configured"), or `UNMET_DEPENDENCIES`."""

    package: str
    architecture: str
    state: str

    @property
    def id(self) -> PackageId:
        """Package name and architecture."""
        return PackageId(name=self.package, architecture=self.architecture)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reboot:
    """What `/run/reboot-required` says; `since` is the time of that file."""

    required: bool
    packages: tuple[str, ...] = ()
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One look at the machine. `seen_at` is the only clock."""

    seen_at: datetime
    lists: Lists
    updates: tuple[Update, ...]
    """A package may be here twice: with its security update, and with a higher version from elsewhere."""
    repair: tuple[Repair, ...]
    reboot: Reboot | Unseen
    kernels: KernelFacts = NO_KERNEL_FACTS
    journal: bool = False
    """Whether an interrupted dpkg left journal entries that are not merged into its database yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageState:
    """What dpkg's own database says of one package; `state` is dpkg's word, "installed" when all is well."""

    version: str | None
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPackage:
    """One package that the package manager knows by name."""

    package: str
    architecture: str
    installed: str | None
    on_hold: bool

    @property
    def id(self) -> PackageId:
        """Package name and architecture."""
        return PackageId(name=self.package, architecture=self.architecture)
