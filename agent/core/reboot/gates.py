"""The gates of a reboot, in their order, and what they look at, as frozen values."""

from collections.abc import Iterable
from datetime import datetime
from enum import Enum

from agent.core.frozen import frozen
from agent.core.model.facts import Unseen


class RebootGate(Enum):
    """Every gate, in the order in which they are asked."""

    POLICY = "policy"
    WINDOW = "window"
    LAST_RUN = "last-run"
    DPKG = "dpkg"
    JOB_RUNNING = "job-running"
    SESSIONS = "sessions"
    INHIBITED = "inhibited"
    SCHEDULED_BY_OTHER = "scheduled-by-other"
    HOOKS = "hooks"
    FLEET_LOCK = "fleet-lock"


class Verdict(Enum):
    """Verdict of one gate; unknown counts as closed."""

    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"
    NOT_ASKED = "not-asked"


class RebootWhy(Enum):
    """Why a gate is closed."""

    POLICY_NEVER = "policy-never"
    OUTSIDE_WINDOW = "outside-window"
    RUN_FAILED = "run-failed"
    DPKG_UNFINISHED = "dpkg-unfinished"
    SESSIONS = "sessions"
    INHIBITED = "inhibited"
    HOOK_DEFERRED = "hook-deferred"
    HOOK_FAILED = "hook-failed"
    JOB_RUNNING = "job-running"
    FLEET_LOCK = "fleet-lock"
    LOCK_UNREACHABLE = "lock-unreachable"
    SCHEDULED_BY_OTHER = "scheduled-by-other"


class RebootOrigin(Enum):
    """Who wants the reboot."""

    POLICY = "policy"
    """The configuration: in a maintenance window."""
    REQUEST = "request"
    """Root, now."""
    SCHEDULE = "schedule"
    """Root, earlier, for now."""


PASSABLE = frozenset({RebootGate.LAST_RUN, RebootGate.SESSIONS, RebootGate.SCHEDULED_BY_OTHER, RebootGate.FLEET_LOCK})
"""Gates that a request may pass although they are closed."""


@frozen
class GateState:
    """One gate: its verdict, and why."""

    gate: RebootGate
    verdict: Verdict
    why: RebootWhy | None = None
    """None: it is open, or was not asked."""
    detail: str = ""
    """One clause without a full stop; untrusted text in it is redacted where it is shown."""
    until: datetime | None = None
    """When it opens by itself; None: unknown, or never."""
    retry: bool = False
    """Whether it may open by itself."""
    passed: bool = False
    """Whether it is closed, and the request passes it all the same."""

    @property
    def blocks(self) -> bool:
        """Whether it keeps the machine from a reboot."""
        return self.verdict in {Verdict.CLOSED, Verdict.UNKNOWN} and not self.passed


@frozen
class UserSession:
    """A login session of class `user`."""

    id: str
    """logind's id; empty for one of utmp(5)."""
    user: str
    terminal: str = ""
    """Empty: none, as for a command over ssh."""
    remote: str = ""
    """The host from which the user is logged in; empty: unknown or local."""


@frozen
class Inhibitor:
    """A program that blocks shutdowns (systemd-inhibit(1), mode `block`)."""

    who: str
    why: str
    pid: int


@frozen
class ScheduledShutdown:
    """A reboot or power-off that is scheduled at logind."""

    kind: str
    """logind's word: "reboot", "poweroff", "halt", "kexec"; with "dry-" in front nothing happens then."""
    at: datetime


@frozen
class LastRun:
    """How the last upgrade run ended."""

    result: str
    failed: tuple[str, ...] = ()
    """Packages that failed."""
    trusted: bool = True
    """Whether the machine may be rebooted after it."""


@frozen
class GateFacts:
    """What the gates ask of this machine, at one moment."""

    last_run: LastRun | None | Unseen = None
    """None: there was none."""
    unfinished: tuple[str, ...] | Unseen = ()
    """Packages that dpkg left unfinished, and its journal."""
    running: str | Unseen = ""
    """The job or the package manager that works now, as text; empty: none."""
    sessions: tuple[UserSession, ...] | Unseen = ()
    inhibitors: tuple[Inhibitor, ...] | Unseen = ()
    scheduled: ScheduledShutdown | None | Unseen = None
    logind: bool = True
    """Whether logind runs. Without it there are neither inhibitors nor scheduled shutdowns."""


@frozen
class GateRequest:
    """A wish to reboot."""

    origin: RebootOrigin
    despite: frozenset[RebootGate] = frozenset()
    """Gates that it passes although they are closed; of `PASSABLE`."""
    session: str = ""
    """logind's id of the session of the person who asks, which does not count; empty: none."""
    warned_at: datetime | None = None
    """When the users were asked to log out; None: not yet."""
    own_shutdown: datetime | None = None
    """When the agent itself has scheduled a reboot at logind; None: it has not."""
    in_window: bool = False
    """Whether a request keeps to the maintenance window, as one of the policy always does."""


def sessions_of_others(sessions: Iterable[UserSession], own: str) -> tuple[UserSession, ...]:
    """Return the sessions of others than the requester; `own`: logind's id of the requester's session, or empty.

    One of utmp(5) has no id, so that it is that of another.
    """
    return tuple(one for one in sessions if not (one.id and one.id == own))


def first_closed(states: Iterable[GateState]) -> GateState | None:
    """Return the first gate that keeps the machine from a reboot; None: none does."""
    return next((state for state in states if state.blocks), None)
