"""What came of an upgrade run, as frozen values."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from agent.core.model.facts import Lists, Reboot, Repair, Unseen
from agent.core.model.kernels import KernelRemoval
from agent.core.model.package import PackageId
from agent.core.model.plan import Held, Scope, Step


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
class Failure:
    """One package that did not get where the plan wanted it."""

    package: PackageId
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
    removed: tuple[PackageId, ...] = ()
    """Packages that dpkg took away: an upgrade had taken over the last of their files."""
    superseded: tuple[KernelRemoval, ...] = ()
    """Superseded kernels that were removed as planned."""
    held: tuple[Held, ...] = ()
    failed: tuple[Failure, ...] = ()
    repaired: tuple[Repair, ...] = ()
    journal_merged: bool = False
    """Whether dpkg's journal, which an interrupted run had left, was merged."""
    conffiles_kept: tuple[str, ...] = ()
    """Local configuration files that were kept; the package's own lies beside each as `.dpkg-dist` or `.dpkg-new`."""
    reboot: Reboot | Unseen = field(default_factory=lambda: Unseen(reason="not looked at"))
    lists: Lists | None = None
    lock: LockWait = LockWait()
    downloaded_bytes: int = 0
    message: str = ""
    """One sentence for a person where the lists above do not say it all."""
