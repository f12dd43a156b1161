"""The nouns of the agent as frozen values: what was seen, what shall be done, what came of it.

This room knows no clock, no files, no processes, no network and no logging. Times are aware UTC
`datetime`s, sizes are bytes, and what could not be seen is `Unseen`, never a default.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from agent.core.model.facts import UNMET_DEPENDENCIES, Lists, Reboot, Repair, Unseen, Update
from agent.core.model.kernels import UNKNOWN_KERNEL, KernelRemoval, RunningKernel
from agent.core.model.package import PackageId
from agent.core.model.reasons import NO_REASON, Reason


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
    def id(self) -> PackageId:
        """Package name and architecture."""
        return PackageId(name=self.package, architecture=self.architecture)

    @property
    def new(self) -> bool:
        """Whether the package is not installed yet (a new dependency)."""
        return self.installed is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why something may not be upgraded or touched."""

    why: Why
    reason: Reason

    def after(self, clause: str) -> "Refusal":
        """Return the same refusal with a clause ahead, as the refusal of a package that needs this one."""
        return replace(self, reason=self.reason.after(clause))


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A wanted step that may not happen now, and why."""

    package: str
    architecture: str
    installed: str | None
    candidate: str
    why: Why
    cause: Reason = NO_REASON
    detail: str = ""
    """The sentence of `cause`, as documents show it; `agent.report.reasons` fills it in."""

    @classmethod
    def of(cls, wanted: "Update | Step", refusal: Refusal) -> "Held":
        """Hold back an update or a step."""
        return cls(
            package=wanted.package,
            architecture=wanted.architecture,
            installed=wanted.installed,
            candidate=wanted.candidate,
            why=refusal.why,
            cause=refusal.reason,
        )

    @property
    def id(self) -> PackageId:
        """Package name and architecture."""
        return PackageId(name=self.package, architecture=self.architecture)

    @property
    def refusal(self) -> Refusal:
        """Why, as a value."""
        return Refusal(why=self.why, reason=self.cause)


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
    remove: tuple[KernelRemoval, ...] = ()
    """Superseded kernels."""
    kept: tuple[KernelRemoval, ...] = ()
    """Kernels that nothing needs and that stay all the same, with the reason."""
    others: tuple[Update, ...] = ()
    kernel: RunningKernel = UNKNOWN_KERNEL
    journal: bool = False
    """As in `Facts`: repairing merges dpkg's journal, too."""

    @property
    def repairable(self) -> bool:
        """Whether anything is left unfinished that dpkg could finish; unmet dependencies it could not."""
        return self.journal or any(item.state != UNMET_DEPENDENCIES for item in self.repair)
