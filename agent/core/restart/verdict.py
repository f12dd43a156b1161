"""What a unit's state shows before and after its restart. Pure.

`systemctl restart` ends with 0 for a service whose process dies at once, and a start limit that is hit leaves the
service down; hence the wait before, and the second look some seconds later.
"""

from agent.core.restart.model import (
    MANAGER_UNIT,
    STEPPING,
    FailedRestart,
    RestartOutcome,
    RestartResult,
    SystemdUnit,
    UnitResult,
)

SETTLE_S = 4.0
"""How long after its restart a unit is read again."""
LONGEST_LIMIT_WAIT_S = 60.0
"""How long a unit's start limit is waited for."""
_LONGEST_RESTART_S = 600.0
_MARGIN_S = 15.0
_UNLIMITED_S = 300.0
"""For a unit without a limit for its stop or its start."""


def start_limit_wait_s(unit: SystemdUnit, now_s: float) -> float:
    """Return how long to wait so that a restart is the only start within the unit's start limit; 0: not at all.

    systemd counts all starts, by whomever, and keeps the count to itself. A start beyond the limit is refused after
    the stop, so that the service is down (systemd.unit(5), StartLimitIntervalSec). Once no start was within the
    interval, no count can be reached.
    """
    if unit.start_limit_s is None or unit.started_at_s is None:
        return 0.0
    return max(unit.started_at_s + unit.start_limit_s - now_s, 0.0)


def restart_limit_s(unit: SystemdUnit) -> float:
    """Return how long a restart may take, from the unit's own limits."""
    spans = (unit.stop_limit_s, unit.begin_limit_s)
    return min(sum(_UNLIMITED_S if span is None else span for span in spans) + _MARGIN_S, _LONGEST_RESTART_S)


def judge(before: SystemdUnit, after: SystemdUnit) -> tuple[UnitResult, str]:
    """Return whether a restart succeeded, and what is wrong or unusual, from the states before it and well after it."""
    if after.active_state in STEPPING:
        return UnitResult.FAILED, f"still {after.active_state} ({after.sub_state})"
    if after.active_state == "failed" or after.result not in ("", "success"):
        return UnitResult.FAILED, f"{after.active_state}, {after.result}"
    if after.active_state != "active":
        if before.service_type == "dbus" or before.triggered_by:
            return UnitResult.RESTARTED, "it ended again and starts on demand"
        return UnitResult.FAILED, f"{after.active_state} right after its start"
    problem = "it was not restarted" if after.invocation_id == before.invocation_id else ""
    if after.auto_restarts:
        problem = f"it ended and systemd started it again ({after.auto_restarts} times)"
    return UnitResult.FAILED if problem else UnitResult.RESTARTED, problem


def restart_result(outcome: RestartOutcome, *, stopped: bool = False) -> RestartResult:
    """Return the result of a run from what became of its units."""
    tried = [unit.result for unit in outcome.units]
    if stopped:
        return RestartResult.INTERRUPTED
    if UnitResult.FAILED in tried:
        return RestartResult.DEGRADED if UnitResult.RESTARTED in tried else RestartResult.FAILED
    return RestartResult.RESTARTED if UnitResult.RESTARTED in tried else RestartResult.UNCHANGED


def still_failed(unit: str, seen: SystemdUnit | None, *, was_inactive: bool) -> FailedRestart | None:
    """Return that a service whose restart failed is still not active; None: it is well, or a person dealt with it.

    `seen` None: systemd did not answer, so that it stays on record. A unit that was failed and is inactive now was
    reset by somebody. One that was inactive from the start, because it ended without an error, stays, and so does one
    of which nothing was known (`was_inactive`).
    """
    if seen is None:
        return FailedRestart(unit=unit)
    if unit == MANAGER_UNIT or seen.active_state == "active" or seen.load_state != "loaded":
        return None
    if seen.active_state == "inactive" and not was_inactive:
        return None
    return FailedRestart(unit=unit, active_state=seen.active_state)
