"""A reboot: its outcome (`maestro.reboot-outcome/1`), its course and its schedule, as frozen values."""

from datetime import datetime
from enum import Enum

from agent.core.frozen import frozen
from agent.core.job_kinds import JobOption
from agent.core.reboot.gates import GateState, RebootGate, RebootOrigin


@frozen
class BootIdentity:
    """Identity of a boot: a soft-reboot keeps the kernel and its boot id."""

    boot_id: str
    soft_reboots: int
    """systemd's SoftRebootsCount; 0 where systemd has none."""


class RebootResult(Enum):
    """Result of a reboot, verified on the machine after it."""

    REBOOTED = "rebooted"
    REBOOTED_WITH_PROBLEMS = "rebooted-with-problems"
    """The fleet lock, if one is configured, is kept: a person releases it."""
    NOT_REBOOTED = "not-rebooted"
    """It was started, and the machine runs in the same boot."""
    NOT_REQUIRED = "not-required"
    BLOCKED = "blocked"
    """A gate is closed; `blocked` has it."""
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """The job ended before it started the reboot."""
    REQUESTED = "requested"
    """Started, and not verified yet."""
    WOULD_REBOOT = "would-reboot"
    """Of a dry run: no gate of this machine is closed."""


class RebootTrouble(Enum):
    """What was found wrong after a reboot."""

    NOT_STARTED = "not-started"
    """The boot did not finish in time."""
    OLD_KERNEL = "old-kernel"
    """The machine runs another kernel than the expected one."""
    STILL_REQUIRED = "still-required"
    """What required the reboot still does."""
    UNIT_FAILED = "unit-failed"
    """A unit has failed that had not before."""
    UNITS_UNKNOWN = "units-unknown"
    """The failed units could not be read."""
    HOOK_FAILED = "hook-failed"
    """A hook of post-reboot.d failed."""


@frozen
class RebootProblem:
    """One thing that was found wrong after a reboot."""

    code: RebootTrouble
    detail: str


class LockUse(Enum):
    """What became of the fleet lock."""

    NONE = "none"
    """None is configured, or it was not asked for."""
    HELD = "held"
    RELEASED = "released"
    KEPT = "kept"
    """The machine came back with problems: a person releases it."""
    RELEASING = "releasing"
    """The server did not accept the release yet; it is tried again."""


@frozen
class RebootReason:
    """Why a reboot is required."""

    required: bool
    packages: tuple[str, ...] = ()
    since: datetime | None = None


@frozen
class RebootOutcome:
    """Outcome of one reboot, from the first gate to the verification after it."""

    id: str
    started_at: datetime
    finished_at: datetime | None
    result: RebootResult
    origin: RebootOrigin
    requested_by: str = ""
    if_required: bool = False
    despite: tuple[RebootGate, ...] = ()
    """Gates that were passed by request although they were closed."""
    reason: RebootReason | None = None
    """None: it could not be read."""
    gates: tuple[GateState, ...] = ()
    """The gates as they were asked last, in their order."""
    blocked: GateState | None = None
    boot_before: BootIdentity | None = None
    boot_after: BootIdentity | None = None
    kernel_before: str | None = None
    kernel_expected: str | None = None
    kernel_after: str | None = None
    fired_at: datetime | None = None
    """The last moment on record before the machine went down; None: the reboot was not started."""
    back_at: datetime | None = None
    """When the boot was finished."""
    problems: tuple[RebootProblem, ...] = ()
    lock: LockUse = LockUse.NONE
    message: str = ""
    """One sentence with what the fields above do not show; may be empty."""

    def was_for(self, schedule: "RebootSchedule") -> bool:
        """Return whether this reboot was that of a schedule, and not of one that was made since."""
        return self.origin is RebootOrigin.SCHEDULE and schedule.created_at <= self.started_at

    @property
    def rebooted(self) -> bool | None:
        """Whether the machine has booted since; None: that is not known yet."""
        if self.boot_before is None or self.boot_after is None:
            return False if self.finished_at is not None else None
        return self.boot_after != self.boot_before

    @property
    def downtime_s(self) -> float | None:
        """From the last moment before to the end of the boot; None: unknown, or there was none."""
        if self.fired_at is None or self.back_at is None or self.back_at < self.fired_at:
            return None  # the clock was set back meanwhile
        return (self.back_at - self.fired_at).total_seconds()


class RebootPhase(Enum):
    """How far a reboot has come, as its course records it."""

    WAITING = "waiting"
    """A gate is closed that may open by itself; nothing is prepared, and the daemon tries again."""
    HOOKS = "hooks"
    """The hooks of pre-reboot.d run, or have run."""
    LOCK = "lock"
    """The fleet lock is being requested, or is held."""
    ANNOUNCED = "announced"
    """Users are warned."""
    FIRED = "fired"
    """systemd is asked to reboot."""


@frozen
class RebootCourse:
    """The reboot that is under way: what a job has to know that finishes it after the boot, or after a crash."""

    run_id: str
    origin: RebootOrigin
    phase: RebootPhase
    entered_at: datetime
    """When the phase began."""
    boot: BootIdentity
    """The boot that is to end."""
    hooked: bool = False
    """Whether a hook of pre-reboot.d ran, so that those of post-reboot.d have to."""
    locked: bool = False
    """Whether the fleet lock was requested, so that it has to be released."""
    failed_units: tuple[str, ...] | None = None
    """Units that had failed before; None: unknown."""
    blocked: GateState | None = None
    """What is waited for, or what stopped it."""
    warned_at: datetime | None = None
    """When users were asked to log out; None: not yet."""
    retry_at: datetime | None = None
    """When the daemon tries again."""
    shutdown_at: datetime | None = None
    """When logind reboots, as it is shown to others; None: nothing is scheduled there."""


@frozen
class RebootSchedule:
    """A reboot that root has scheduled with `reboot --at`."""

    at: datetime
    until: datetime
    """A reboot that is still blocked then is given up."""
    created_at: datetime
    requested_by: str = ""
    options: frozenset[JobOption] = frozenset()
    """`IF_REQUIRED`, and the `DESPITE_…` ones."""
    comment: str = ""
