"""The nouns of the agent as frozen values: what was seen, what shall be done, what came of it.

This room knows no clock, no files, no processes, no network and no logging. Times are aware UTC
`datetime`s, sizes are bytes, and what could not be seen is `Unseen`, never a default.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from agent.core.kernels import NO_KERNEL, NO_KERNELS, Kernel, Kernels, Removal


class Scope(Enum):
    """Which updates a run may install."""

    SECURITY = "security"
    ALL = "all"


class Why(Enum):
    """Why a wanted step may not happen now; the closed list of the interface, grown gate by gate."""

    HELD_BY_ADMIN = "held-by-admin"
    BLOCKLISTED = "blocklisted"
    NOT_ALLOWLISTED = "not-allowlisted"
    PINNED = "pinned"
    NEEDS_OTHER_ORIGIN = "needs-other-origin"
    WOULD_REMOVE = "would-remove"
    UNTRUSTED = "untrusted"
    PHASED = "phased"
    RUNTIME_MANAGED = "runtime-managed"
    BROKEN_DEPENDENCY = "broken-dependency"
    DOWNLOAD_FAILED = "download-failed"
    FAILED_BEFORE = "failed-before"
    NO_SPACE = "no-space"
    CONFFILE = "conffile"


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


class Result(Enum):
    """What came of a run, read from the machine after it."""

    UP_TO_DATE = "up-to-date"
    UPDATED = "updated"
    DEGRADED = "degraded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    BUSY = "busy"
    STALE = "stale"


class Stage(Enum):
    """Where the work on one package stopped."""

    REPAIR = "repair"
    REMOVE = "remove"
    DOWNLOAD = "download"
    UNPACK = "unpack"
    CONFIGURE = "configure"


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


UNMET = "unmet-dependencies"
"""State of an installed package whose dependencies are not met: nothing that dpkg could finish by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """A package that dpkg left unfinished; `state` in dpkg's own words ("half-configured"), or `UNMET`."""

    package: str
    architecture: str
    state: str


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
    kernels: Kernels = NO_KERNELS


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One package brought to one version; steps of the same `group` depend on each other."""

    package: str
    architecture: str
    installed: str | None
    candidate: str
    origin: str
    archive: str
    security: bool
    download_bytes: int
    group: int = 0
    mending: bool = False
    """Whether dpkg was cut off installing just this: any authenticated origin will do."""

    @property
    def new(self) -> bool:
        """Whether the package is not installed yet (a new dependency)."""
        return self.installed is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A wanted step that may not happen now; `detail` says in words what stands in the way."""

    package: str
    architecture: str
    installed: str | None
    candidate: str
    why: Why
    detail: str

    @classmethod
    def of(cls, wanted: "Update | Step", why: Why, detail: str) -> "Held":
        """Hold back an update or a step."""
        return cls(
            package=wanted.package,
            architecture=wanted.architecture,
            installed=wanted.installed,
            candidate=wanted.candidate,
            why=why,
            detail=detail,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What libapt's resolver made of the admitted updates."""

    steps: tuple[Step, ...]
    refused: tuple[Held, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be done now, what is held back, and why. `id` is the same for the same work."""

    id: str
    scope: Scope
    seen_at: datetime
    lists: Lists
    install: tuple[Step, ...]
    held: tuple[Held, ...]
    repair: tuple[Repair, ...]
    reboot: Reboot | Unseen
    other_updates: int
    """How many are on offer that are not security updates and not part of this plan; `others` are they."""
    remove: tuple[Removal, ...] = ()
    """Superseded kernels."""
    kept: tuple[Removal, ...] = ()
    """Kernels that nothing needs and that stay all the same, with the reason."""
    others: tuple[Update, ...] = ()
    kernel: Kernel = NO_KERNEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One package that did not get where the plan wanted it."""

    package: str
    stage: Stage
    error: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWait:
    """How the package manager's lock was come by, in seconds."""

    waited_s: float = 0.0
    held_s: float = 0.0
    by: str | None = None
    """Who held it before us: program, pid and since when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageState:
    """What dpkg's own database says of one package; `state` is dpkg's word, "installed" when all is well."""

    version: str | None
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a run. Lists are judged from dpkg's state afterwards, never from the plan."""

    id: str
    scope: Scope
    started_at: datetime
    finished_at: datetime | None
    result: Result
    upgraded: tuple[Step, ...] = ()
    underway: tuple[Step, ...] = ()
    """The transaction that has begun and whose end is not on record yet."""
    removed: tuple[str, ...] = ()
    """Packages (`name:architecture`) that dpkg took away: an upgrade had taken over the last of their files."""
    superseded: tuple[Removal, ...] = ()
    """Superseded kernels that were removed as planned."""
    held: tuple[Held, ...] = ()
    failed: tuple[Failure, ...] = ()
    repaired: tuple[Repair, ...] = ()
    conffiles_kept: tuple[str, ...] = ()
    """Local configuration files that were kept; the package's own lies beside each as `.dpkg-dist` or `.dpkg-new`."""
    reboot: Reboot | Unseen = field(default_factory=lambda: Unseen(reason="not looked at"))
    lists: Lists | None = None
    lock: LockWait = LockWait()
    downloaded_bytes: int = 0
    message: str = ""
    """One sentence for a person where the lists above do not say it all."""
