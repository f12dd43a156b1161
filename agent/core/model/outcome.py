"""Outcome of an upgrade run, as frozen values."""

from datetime import datetime
from enum import Enum

from agent.core.frozen import field, frozen
from agent.core.model.facts import Lists, Reboot, Repair, Unseen
from agent.core.model.kernels import Removal
from agent.core.model.package import PackageId
from agent.core.model.plan import Held, Overridden, Step
from agent.core.model.scope import Scope


class Result(Enum):
    """Result of a run, verified on the machine after it."""

    UP_TO_DATE = "up-to-date"
    UPDATED = "updated"
    DEGRADED = "degraded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    BUSY = "busy"
    DEFERRED = "deferred"
    """A hook of pre-upgrade.d asks for a later time; nothing was installed."""
    STALE = "stale"


class Stage(Enum):
    """Stage at which one package failed."""

    REPAIR = "repair"
    REMOVE = "remove"
    DOWNLOAD = "download"
    UNPACK = "unpack"
    CONFIGURE = "configure"


@frozen
class Failure:
    """One package that the run did not bring to its planned version or state."""

    package: PackageId
    stage: Stage
    error: str
    detail: str = ""


@frozen
class LockWait:
    """Time spent waiting for and holding the package manager's locks, in seconds."""

    waited_s: float = 0.0
    held_s: float = 0.0
    by: str | None = None
    """The last holder that was waited for: program, pid and start time."""


@frozen
class Undo:
    """How to take a run back: one of the two is empty."""

    command: str = ""
    obstacle: str = ""
    """Why apt-get cannot do it."""


class ProvisionPhase(Enum):
    """How far provisioning has come."""

    UPGRADING = "upgrading"
    REBOOTING = "rebooting"
    """A restart is required, and is taken once its gates are open."""
    DONE = "done"


@frozen
class ForeignChange:
    """What a transaction of another program did."""

    by: str
    at: datetime
    installed: int = 0
    upgraded: int = 0
    removed: tuple[PackageId, ...] = ()


@frozen
class ProvisionNote:
    """How far provisioning had come after a run that belongs to it."""

    phase: ProvisionPhase
    started_at: datetime
    done_at: datetime | None = None
    rebooted: bool = False
    before: tuple[ForeignChange, ...] = ()
    """What another program changed on the new server before."""


@frozen
class Underway:
    """What a run is about to do or has started, and whose end is not recorded yet."""

    steps: tuple[Step, ...] = ()
    kernels: tuple[Removal, ...] = ()
    """Obsolete kernels that are removed."""
    unused: tuple[Removal, ...] = ()
    """Packages that the run made unneeded and that are removed."""
    repairs: tuple[Repair, ...] = ()
    """Packages that dpkg left unfinished and that are finished."""


NOTHING_UNDERWAY = Underway()


@frozen
class Outcome:
    """Outcome of a run. Its lists are read from dpkg's state afterwards, never from the plan."""

    id: str
    scope: Scope
    started_at: datetime
    finished_at: datetime | None
    result: Result
    upgraded: tuple[Step, ...] = ()
    underway: Underway = NOTHING_UNDERWAY
    """Of a run with an end: what dpkg unpacked and did not finish, as the wait for its lock ended."""
    removed: tuple[PackageId, ...] = ()
    """Packages that disappeared: an upgrade took over the last of their files, so dpkg removed them."""
    removed_kernels: tuple[Removal, ...] = ()
    """Obsolete kernels that were removed as planned."""
    removed_unused: tuple[Removal, ...] = ()
    """Packages that the run itself made unneeded, and removed."""
    held: tuple[Held, ...] = ()
    failed: tuple[Failure, ...] = ()
    repaired: tuple[Repair, ...] = ()
    journal_merged: bool = False
    """Whether dpkg's journal, which an interrupted run had left, was merged."""
    conffiles_kept: tuple[str, ...] = ()
    """Local conffiles that were kept; the package's version is beside each as `.dpkg-dist` or `.dpkg-new`."""
    reboot: Reboot | Unseen = field(default_factory=lambda: Unseen(reason="not observed"))
    lists: Lists | None = None
    lock: LockWait = LockWait()
    downloaded_bytes: int = 0
    restart: tuple[str, ...] | None = None
    """Units that still ran replaced files after the run, and programs without a unit; None if not known."""
    requested: tuple[str, ...] = ()
    """Names of the packages to which the run was limited, with what they need; empty if it was not."""
    overridden: tuple[Overridden, ...] = ()
    """As in `agent.core.model.plan.Plan`, of the packages that were upgraded."""
    undo: Undo | None = None
    """None: nothing was upgraded, or not known."""
    log: str = ""
    """Path of the package manager's output; empty if it has not run, or not known."""
    message: str = ""
    """One sentence with what the fields above do not show; may be empty."""
    problem: str = ""
    """The part of `message` that needs a person although all packages are as planned: of dpkg, or a hook after it."""
    requested_by: str = ""
    """`schedule`, or a user's name; empty if unknown."""
    provision: ProvisionNote | None = None
    """None: the run does not belong to provisioning."""
