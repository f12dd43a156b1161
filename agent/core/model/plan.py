"""A plan and its parts, as frozen values.

All of `agent.core.model` is pure. Times are aware UTC `datetime`s, sizes are bytes, and a fact that could not be read
is `Unseen`, never a default.
"""

from datetime import datetime
from enum import Enum

from agent.core.frozen import frozen, replace
from agent.core.model.facts import UNMET_DEPENDENCIES, Lists, Reboot, Repair, Unseen, Update
from agent.core.model.kernels import Removal
from agent.core.model.package import OfPackage, PackageId
from agent.core.model.reasons import NO_REASON, Reason
from agent.core.model.scope import Scope


class Why(Enum):
    """Why an update is held. A closed list, part of the interface (docs/documents.md)."""

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
    ESM_ONLY = "esm-only"
    """Only in `Plan.esm_only`."""
    SNOOZED = "snoozed"
    SOAKING = "soaking"
    NOT_IN_COHORT = "not-in-cohort"


@frozen
class Step(OfPackage):
    """The installation of one version of one package; steps of the same `group` depend on each other."""

    package: str
    architecture: str
    installed: str | None
    candidate: str
    origin: str
    archive: str
    security: bool
    download_bytes: int
    group: int = 0
    interrupted: bool = False
    """Whether dpkg was interrupted while installing exactly this: any authenticated origin may provide it."""
    source: str = ""
    """Source package of the candidate; empty if unknown."""
    replaces: tuple[PackageId, ...] = ()
    """Installed packages that this one takes the place of: they are removed in the same transaction."""

    @property
    def new(self) -> bool:
        """Whether the package is a new dependency, not installed yet."""
        return self.installed is None


@frozen
class Blocker:
    """The package whose own gate is shut, where an update is held because it needs that package."""

    package: str
    """Its name, with the architecture if that is not the native one."""
    why: Why


@frozen
class Refusal:
    """Why a package may not be upgraded, or not be touched at all."""

    why: Why
    reason: Reason
    blocker: Blocker | None = None
    """None: the package itself, or no single package."""
    until: datetime | None = None
    """When it ends by itself; None: it does not, or not at a known time."""

    def after(self, clause: str) -> "Refusal":
        """Return the same refusal with a clause ahead, as the refusal of a package that needs this one."""
        return replace(self, reason=self.reason.after(clause))


@frozen
class Held(OfPackage):
    """An update that is held, and why."""

    package: str
    architecture: str
    installed: str | None
    candidate: str
    why: Why
    cause: Reason = NO_REASON
    detail: str = ""
    """The sentence of `cause`, as documents show it; `agent.report.reasons` fills it in."""
    source: str = ""
    """Source package of the candidate; empty if unknown."""
    blocker: Blocker | None = None
    """As in `Refusal`; documents do not hold it."""
    until: datetime | None = None
    """As in `Refusal`."""

    @classmethod
    def of(cls, item: "Update | Step", refusal: Refusal) -> "Held":
        """Return an update or a step as held."""
        return cls(
            package=item.package,
            architecture=item.architecture,
            installed=item.installed,
            candidate=item.candidate,
            why=refusal.why,
            cause=refusal.reason,
            source=item.source,
            blocker=refusal.blocker,
            until=refusal.until,
        )

    @property
    def refusal(self) -> Refusal:
        """Why it is held."""
        return Refusal(why=self.why, reason=self.cause, blocker=self.blocker, until=self.until)


@frozen
class Overridden(OfPackage):
    """A step that is carried out although something would have it wait."""

    package: str
    architecture: str
    why: Why
    cause: Reason = NO_REASON
    detail: str = ""
    """As in `Held`."""


@frozen
class Resolution:
    """The resolver's answer to the admitted updates."""

    steps: tuple[Step, ...]
    refused: tuple[Held, ...]


@frozen
class Plan:
    """What a run would do now, and what is held and why. The same work has the same `id`."""

    id: str
    scope: Scope
    seen_at: datetime
    lists: Lists
    install: tuple[Step, ...]
    held: tuple[Held, ...]
    repair: tuple[Repair, ...]
    reboot: Reboot | Unseen
    other_updates: int
    """How many available updates are neither security updates nor in this plan: the number of `others`."""
    other_held: int = 0
    """How many of them a gate holds: the plan of all updates would not install them."""
    remove: tuple[Removal, ...] = ()
    """Obsolete kernels."""
    kept: tuple[Removal, ...] = ()
    """Kernels that nothing needs but that are kept, with the reason."""
    unused: tuple[Removal, ...] = ()
    """Packages that the plan makes unneeded, and that the run removes in a transaction of its own after it."""
    others: tuple[Update, ...] = ()
    journal: bool = False
    """As in `Facts`; a repair merges the journal."""
    overridden: tuple[Overridden, ...] = ()
    """Steps that a request installs although they soak, and those that fix more than the CVEs that are snoozed."""
    requested: tuple[str, ...] = ()
    """Names of the packages to which the plan is limited, with what they need; empty if it is not."""
    esm_only: tuple[Held, ...] = ()
    """Fixes that only Ubuntu Pro brings; neither pending nor held, because no source of this machine has them."""

    @property
    def changes_nothing(self) -> bool:
        """Whether a run has nothing to do for it."""
        return not (self.install or self.remove or self.unused or self.unfinished)

    @property
    def unfinished(self) -> bool:
        """Whether dpkg left anything unfinished, repairable or not."""
        return self.journal or bool(self.repair)

    @property
    def repairable(self) -> bool:
        """Whether dpkg can finish anything that is unfinished; it cannot satisfy unmet dependencies."""
        return self.journal or any(item.state != UNMET_DEPENDENCIES for item in self.repair)
