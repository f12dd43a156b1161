"""Renders the status for people; the first line alone says whether anything is wrong. Pure and light."""

from datetime import datetime

from agent.report.status.document import Status
from agent.report.status.exporters import exporter_lines
from agent.report.status.observed import DaemonView, RunningJob
from agent.report.text import by_source, counted, cve_suffix, held_update_lines, reboot_line, update_lines
from agent.state.timestamps import format_age, format_human
from agent.state.views import ListsView, PlanView

_MAX_STEPS = 8


def status_lines(status: Status) -> list[str]:
    """Render all parts that exist."""
    now, state = status.now, status.state
    lines: list[str] = [f"{status.host}: {status.health.value.upper()}"]
    lines += [f"  ! {reason}" for reason in (*status.unknown, *status.attention)]
    if state is not None:
        lines.append(f"Last check   {format_human(state.generated_at)} ({format_age(state.generated_at, now)})")
        lines += _plan_lines(state.plan, now)
    lines += _run_lines(status)
    lines += _running_lines(status.running, now)
    automatic = status.automatic.text(now)
    lines += [f"Automatic    {automatic}"] if automatic else []
    lines += _daemon_lines(status.daemon)
    lines += exporter_lines(status.exporters, now)
    if state is not None:
        lines += status.runtime.lines(now)
    lines.append(f"Reboot       {reboot_line(status.reboot)}")
    return lines


def _run_lines(status: Status) -> list[str]:
    run = status.last_run
    if run is None:
        return []
    result = "in progress" if status.run_in_progress else run.result
    started = f"{format_human(run.started_at)} ({format_age(run.started_at, status.now)})"
    return [f"Last run     {started}: {result}, {run.upgraded_count} installed"]


def _running_lines(running: RunningJob | None, now: datetime) -> list[str]:
    if running is None:
        return []
    name, since = running.job or ("a job", None)
    started = f", started {format_human(since)} ({format_age(since, now)})" if since else ""
    progress = f": {running.progress.strip()}" if running.progress else ""
    return [f"Running      {name} (pid {running.pid}){started}{progress}"]


def _daemon_lines(daemon: DaemonView | None) -> list[str]:
    if daemon is None or daemon.pid is None:
        return []
    return [f"Daemon       running (pid {daemon.pid}): {daemon.fields['doing'] or 'starting'}"]


def _plan_lines(plan: PlanView, now: datetime) -> list[str]:
    nothing = "nothing" if plan.lists.state != "never" else "unknown"
    lines: list[str] = [
        *_lists_lines(plan.lists, now),
        f"To install   {len(plan.install) or nothing}{cve_suffix(plan.install)}",
    ]
    lines += [*update_lines(plan.install, indent=13, most=_MAX_STEPS), *_more(len(by_source(plan.install)))]
    if plan.remove:
        lines.append(f"To remove    {counted(len(plan.remove), 'obsolete kernel package')}")
    lines.append(f"Held back    {len(plan.held) or 'nothing'}")
    lines += held_update_lines(plan.held, indent=13)
    others = f"{counted(plan.other_updates, 'update')} from other origins" if plan.other_updates else "none"
    lines.append(f"Others       {others}")
    hidden = plan.hidden_security
    if hidden:
        lines.append(f"             {len(hidden)} with a security fix:")
        lines += [*update_lines(hidden, indent=13, most=_MAX_STEPS), *_more(len(by_source(hidden)))]
    return lines


def _lists_lines(lists: ListsView, now: datetime) -> list[str]:
    verified = f"verified {format_age(lists.updated_at, now)}" if lists.updated_at else "never verified"
    return [
        f"Lists        {'none' if lists.state == 'never' else lists.state}, {verified}",
        *(f"             {error.source}: {error.detail}" for error in lists.errors),
    ]


def _more(count: int) -> list[str]:
    hidden = count - _MAX_STEPS
    return [f"             and {hidden} more (`maestro-agent check --no-refresh`)"] if hidden > 0 else []
