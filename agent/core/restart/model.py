"""Units that run replaced files, as systemd has them, and what `restart-services` did with each. Pure values."""

from datetime import datetime
from enum import Enum

from agent.core.frozen import frozen

MANAGER_UNIT = "init.scope"
"""The unit of systemd itself, PID 1; needrestart calls it "systemd-manager"."""
STEPPING = frozenset({"activating", "deactivating", "reloading", "refreshing", "maintenance"})
"""Values of ActiveState that change by themselves."""


class RestartAction(Enum):
    """What makes a unit run current files."""

    RESTART = "restart"
    """`systemctl restart`, for this unit alone."""
    REEXEC = "daemon-reexec"
    """`systemctl daemon-reexec`: systemd itself; no unit is restarted."""
    NONE = "none"


class LeftWhy(Enum):
    """Why a unit is not restarted. The text below a code lists the values of its sentence, in order."""

    NEEDS_REBOOT = "needs-reboot"
    """What a restart breaks."""
    NEVER_RESTARTED = "never-restarted"
    """What a restart breaks."""
    CONFIGURED = "configured"
    """The pattern of `services.never_restart`."""
    AGENT = "agent"
    SESSION = "session"
    """The user's id; empty if it is not known."""
    NO_UNIT = "no-unit"
    NOT_A_SERVICE = "not-a-service"
    UNIT_GONE = "unit-gone"
    MASKED = "masked"
    REFUSES_RESTART = "refuses-restart"
    NOT_ACTIVE = "not-active"
    """ActiveState."""
    ENDS_BY_ITSELF = "ends-by-itself"
    """How: the type `oneshot`, the timer, `transient`, or `connection`."""
    OTHER_PROCESSES = "other-processes"
    """Its main process runs current files, and a restart leaves its other processes running."""
    RESTARTS_OTHERS = "restarts-others"
    """The unit that systemd would restart with it."""
    START_LIMIT = "start-limit"
    """Seconds until the limit is over."""
    AFTER_FAILURES = "after-failures"
    """How many units had failed."""
    STOPPED = "stopped"
    """Why the run stopped."""


class UnitResult(Enum):
    """What became of one unit."""

    PLANNED = "planned"
    RESTARTING = "restarting"
    """On record when its restart begins; if it stays, the run was interrupted there."""
    RESTARTED = "restarted"
    """It stayed active, as read some seconds later."""
    FAILED = "failed"
    LEFT = "left"


class RestartResult(Enum):
    """Result of a run."""

    PLANNED = "planned"
    """A dry run."""
    UNCHANGED = "unchanged"
    """No unit was to be restarted."""
    RESTARTED = "restarted"
    DEGRADED = "degraded"
    """Some were restarted, and some failed or were not tried."""
    FAILED = "failed"
    """No restart succeeded."""
    INTERRUPTED = "interrupted"


@frozen
class SystemdUnit:
    """One unit as systemd has it now. Spans are seconds; times are seconds of the monotonic clock."""

    name: str
    load_state: str = "loaded"
    active_state: str = "active"
    sub_state: str = "running"
    result: str = "success"
    service_type: str = ""
    """`Type=` of a service; empty for other units."""
    main_pid: int | None = None
    main_outdated: bool | None = None
    """Whether its main process runs replaced files; None: not known, or it has no main process."""
    keeps_processes: bool = False
    """Whether a stop leaves all processes but the main one running (KillMode=process or none)."""
    restartable: bool = True
    """False: RefuseManualStart or RefuseManualStop."""
    transient: bool = False
    connection: bool = False
    """Whether it serves one connection, which it has as its standard input."""
    triggered_by: tuple[str, ...] = ()
    """Its timers, sockets and paths."""
    restarts_with: tuple[str, ...] = ()
    """Units that systemd restarts with it: those that require it, are bound to it or part of it."""
    after: tuple[str, ...] = ()
    start_limit_s: float | None = None
    """StartLimitIntervalSec; None: no limit."""
    started_at_s: float | None = None
    """The last start; None: not known."""
    auto_restarts: int = 0
    """How often systemd restarted it by itself since the last start by anybody else."""
    invocation_id: str = ""
    job: str = ""
    """Id of the queued or running systemd job; empty if there is none."""
    stop_limit_s: float | None = None
    """TimeoutStopSec; None: no limit."""
    begin_limit_s: float | None = None
    """TimeoutStartSec; None: no limit."""

    @property
    def is_up(self) -> bool:
        """Whether it runs, also while it changes its state."""
        return self.active_state == "active" or self.active_state in STEPPING


@frozen
class RestartUnit:
    """One unit of a plan or an outcome."""

    unit: str
    """The unit; the program's name for processes of no unit."""
    action: RestartAction
    result: UnitResult
    why: LeftWhy | None = None
    """For those that are left."""
    values: tuple[str, ...] = ()
    """As in `LeftWhy`."""
    detail: str = ""
    """For those that were tried: what was seen, where it is not plain."""
    restarts_with: tuple[str, ...] = ()
    """Active units that systemd restarts with it."""
    active_state: str = ""
    """As read after the restart; empty if there was none."""
    unit_result: str = ""
    """systemd's `Result`, as `active_state`."""
    duration_s: float | None = None


@frozen
class FailedRestart:
    """A service whose restart failed, and that was not seen active since."""

    unit: str
    active_state: str = ""
    """As read last; empty if systemd did not answer."""


@frozen
class RestartOutcome:
    """A run of `restart-services`, or the plan of a dry run."""

    id: str
    """Empty for a dry run."""
    started_at: datetime
    finished_at: datetime | None
    result: RestartResult
    units: tuple[RestartUnit, ...] = ()
    remaining: tuple[str, ...] | None = None
    """Units that still run replaced files at the end; None: not known."""
    message: str = ""
    requested_by: str = ""
