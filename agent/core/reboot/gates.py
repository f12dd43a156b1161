"""The gates of a reboot: what has to be open before the machine reboots. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


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
    """What a gate says."""

    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"
    """Counts as closed."""
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
    """Who wants the reboot. Nothing else starts one."""

    POLICY = "policy"
    """The configuration: in a maintenance window."""
    REQUEST = "request"
    """Root, now."""
    SCHEDULE = "schedule"
    """Root, earlier, for now: a document that only root writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateState:
    """One gate at one moment."""

    gate: RebootGate
    verdict: Verdict
    why: RebootWhy | None = None
    """None for an open gate, and for one that was not asked."""
    detail: str = ""
    until: datetime | None = None
    """When it opens; None: unknown."""
    retry: bool = False
    """Whether it may open by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFacts:
    """What the local gates are judged by."""


def first_closed(states: tuple[GateState, ...]) -> GateState | None:
    """Return the first gate that is closed or unknown; None: all are open."""
    return next((state for state in states if state.verdict in {Verdict.CLOSED, Verdict.UNKNOWN}), None)
