"""Why a machine is not healthy: what makes its state unknown, and what asks for attention. Pure and light."""

from collections.abc import Mapping
from datetime import datetime

from agent.report.status.lists import unknown_reasons
from agent.report.status.observed import DaemonView, Observed, RunningJob
from agent.state.job_views import JobView
from agent.state.timestamps import format_human
from agent.state.views import PlanView, RunView, StateView

_UNTIL_A_TIME = {"snoozed": "snoozed", "soaking": "soaking", "not-in-cohort": "waiting for the rollout"}
"""Why updates are held that are released by themselves, and its words."""
_RESULTS = {
    "failed": "failed",
    "interrupted": "was interrupted",
    "busy": "found the package manager busy",
    "deferred": "was deferred by a hook",
}


def record_reasons(observed: Observed, state: StateView | None, now: datetime) -> list[str]:
    """Return why the record says nothing reliable: damaged, missing, or stale."""
    if state is None:
        return observed.damaged or ["never checked: run `maestro-agent check`"]
    return [*observed.damaged, *unknown_reasons(state, now)]


def daemon_reasons(daemon: DaemonView | None, now: datetime) -> list[str]:
    """Return that the daemon is dead or hangs."""
    if daemon is None:
        return []
    since = daemon.silent_since(now)
    if since is not None:
        return [f"the daemon has not responded since {format_human(since)}: `systemctl status maestro-agent`"]
    if daemon.pid is not None:
        return []
    return ["the daemon is not running, so no check or upgrade is scheduled: `systemctl status maestro-agent`"]


def plan_reasons(plan: PlanView, running: RunningJob | None) -> list[str]:
    """Return what the last check left to do; while a job is running there is no command to run for it."""
    advice = "; a job is running: `maestro-agent follow`" if running else ": run `maestro-agent upgrade`"
    what = "security update" if plan.scope == "security" else "update"
    reasons = []
    install, held = len(plan.install), len(plan.held)
    if install:
        reasons.append(f"{install} {what}{'s' if install != 1 else ''} pending{advice}")
    if held:
        reasons.append(f"{held} {what}{'s are' if held != 1 else ' is'} held back{_waiting(plan)}")
    if plan.repair and not running:  # it may be at work on just these
        names = ", ".join(sorted({part.label for part in plan.repair}))
        reasons.append(f"packages unfinished or broken: {names}: run `maestro-agent upgrade`")
    return reasons


def _waiting(plan: PlanView) -> str:
    """Return how many of the held updates wait for a time, by reason: " (2 soaking, 1 snoozed)"."""
    counts = ((sum(part.why == why for part in plan.held), word) for why, word in _UNTIL_A_TIME.items())
    found = ", ".join(f"{count} {word}" for count, word in counts if count)
    return f" ({found})" if found else ""


def run_reasons(run: RunView | None, running: RunningJob | None) -> list[str]:
    """Return that the last run did not succeed; nothing while it is in progress."""
    result = _RESULTS.get(run.result) if run else None
    if run is None or result is None or (running is not None and running.is_run(run)):
        return []
    return [f"the last run {result}: `maestro-agent history {run.id}`"]


def problem_reasons(run: RunView | None, running: RunningJob | None) -> list[str]:
    """Return that a hook or dpkg failed although the packages are as planned; nothing while the run is in progress."""
    if run is None or not run.problem or (running is not None and running.is_run(run)):
        return []
    first_line = run.problem.partition("\n")[0]
    return [f"the last run left a problem: {first_line}: `maestro-agent history {run.id}`"]


def job_reasons(jobs: Mapping[str, JobView]) -> list[str]:
    """Return the jobs that failed more than once in a row."""
    return [
        f"{name} failed {job.failures} times in a row: `journalctl -t maestro-agent -p warning`"
        for name, job in jobs.items()
        if job.failures > 1
    ]
