"""Renders the status for people; the first line alone says whether anything is wrong. Pure and light."""

from datetime import datetime

from agent.report.daily_job_text import status_text
from agent.report.layout import Line, Tone, field
from agent.report.status.document import Status
from agent.report.status.exporters import exporter_lines
from agent.report.status.lists import lists_lines
from agent.report.status.observed import DaemonView, RunningJob
from agent.report.text import (
    by_source,
    counted,
    cve_suffix,
    held_update_lines,
    others_text,
    reboot_line,
    result_text,
    update_lines,
)
from agent.state.lazy_module import lazy_module
from agent.state.timestamps import format_age, format_human
from agent.state.views import PlanView, RebootView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.core import job_kinds
else:
    job_kinds = lazy_module("agent.core.job_kinds")

WIDTH = 17
"""Columns of the labels."""
_MAX_STEPS = 8
_FAILED = ("failed", "interrupted")
_CHANGED = {
    "packages": "dpkg's database",
    "apt-configuration": "apt's configuration",
    "configuration": "the agent's configuration",
}


def status_lines(status: Status, *, verbose: bool = False) -> list[str]:
    """Render all parts that exist; with `verbose` every package, package source and service."""
    now, state = status.now, status.state
    lines: list[str] = [f"{status.host}: {status.health.value.upper()}"]
    lines += [Line(f"  ! {reason}", hang=4, tone=Tone.HELD) for reason in (*status.unknown, *status.attention)]
    lines.append(_field("Agent", f"{status.version} on {status.os or 'an unknown system'}"))
    lines += status.release.lines(WIDTH)
    if state is not None:
        lines.append(_check_line(status, state.generated_at))
        lines += lists_lines(state.plan.lists, now, width=WIDTH, verbose=verbose)
        lines += _plan_lines(state.plan, verbose=verbose)
    lines += status.waiting.lines(WIDTH)
    lines += status.provisioning.lines(WIDTH)
    lines += [*_run_lines(status), *_running_lines(status.running, now)]
    lines.append(_field("Automatic", status.automatic.text(now)))
    if status.daily_job is not None and status.daily_job.version is not None:
        lines.append(_field("Daily job", f"unattended-upgrades {status_text(status.daily_job)}"))
    lines += _daemon_lines(status.daemon, status.running)
    lines += exporter_lines(status.exporters, now, width=WIDTH)
    if state is not None:
        lines += status.runtime.lines(now, width=WIDTH, verbose=verbose)
    lines += status.engines.lines(WIDTH)
    lines.append(_field("Reboot", _reboot(status.reboot)))
    lines += status.reboots.lines(WIDTH)
    lines += status.fleet_lock.lines(WIDTH)
    lines += status.requests.lines(WIDTH)
    return lines


def _field(label: str, text: str, tone: Tone | None = None) -> Line:
    return field(label, text, width=WIDTH, tone=tone)


def _check_line(status: Status, at: datetime) -> Line:
    *others, last = [_CHANGED.get(name, name) for name in status.changed] or [""]
    changed = f"{', '.join(others)} and {last}" if others else last
    since = f"; {changed} changed since" if changed else ""
    return _field("Last check", f"{format_human(at)} ({format_age(at, status.now)}){since}")


def _run_lines(status: Status) -> list[str]:
    run = status.last_run
    if run is None:
        return []
    result = result_text(run, running=status.run_in_progress)
    installed = f"; {run.upgraded_count} installed" if run.upgraded_count else ""
    if status.run_in_progress:
        return [_field("Last run", f"{result}{installed}")]
    started = f"{format_human(run.started_at)} ({format_age(run.started_at, status.now)})"
    tone = Tone.FAILED if run.result in _FAILED else None
    return [_field("Last run", f"{started}: {result}{installed}", tone)]


def _running_lines(running: RunningJob | None, now: datetime) -> list[str]:
    if running is None:
        return []
    name, since = running.job or ("a job", None)
    started = f", started {format_human(since)} ({format_age(since, now)})" if since else ""
    progress = f": {running.progress.strip()}" if running.progress else ""
    return [_field("Running", f"{name} (pid {running.pid}){started}{progress}")]


def _daemon_lines(daemon: DaemonView | None, running: RunningJob | None) -> list[str]:
    if daemon is None or daemon.pid is None:
        return []
    doing = daemon.fields["doing"] or "starting"
    # "Automatic" has the times. The daemon writes its file twice a minute while a job runs, which may have ended since.
    over = running is None and doing.partition(": ")[0] in {kind.value for kind in job_kinds.DAEMON_JOBS}
    busy = "" if over or doing.startswith("next ") else f": {doing}"
    return [_field("Daemon", f"running (pid {daemon.pid}){busy}")]


def _plan_lines(plan: PlanView, *, verbose: bool) -> list[str]:
    nothing = "none" if plan.none is not None else "unknown"
    most = None if verbose else _MAX_STEPS
    lines: list[str] = [_field("To install", f"{len(plan.install) or nothing}{cve_suffix(plan.install)}")]
    lines += update_lines(plan.install, indent=WIDTH, verbose=verbose, most=most)
    lines += [] if verbose else _more(len(by_source(plan.install)))
    if plan.remove:
        lines.append(_field("To remove", counted(len(plan.remove), "obsolete kernel package")))
    lines.append(_field("Held back", str(len(plan.held) or nothing), Tone.HELD if plan.held else None))
    lines += held_update_lines(plan.held, indent=WIDTH, verbose=verbose)
    count = plan.other_updates
    lines.append(_field("Other updates", f"{count} ({others_text(count, plan.other_held)})" if count else nothing))
    hidden = plan.hidden_security
    if hidden:
        lines.append(f"{'':{WIDTH}}{len(hidden)} with a security fix:")
        lines += update_lines(hidden, indent=WIDTH, verbose=verbose, most=most)
        lines += [] if verbose else _more(len(by_source(hidden)))
    if plan.esm_only:
        lines.append(_field("Only in Pro", f"{len(plan.esm_only)} (`pro attach` or `pro enable` adds their sources)"))
        lines += update_lines(plan.esm_only, indent=WIDTH, verbose=verbose, most=most)
        lines += [] if verbose else _more(len(by_source(plan.esm_only)))
    return lines


def _more(count: int) -> list[str]:
    hidden = count - _MAX_STEPS
    return [f"{'':{WIDTH}}and {hidden} more (`maestro-agent status --all`)"] if hidden > 0 else []


def _reboot(reboot: RebootView | None) -> str:
    if reboot is None:
        return "unknown whether one is required"
    if not reboot.required:
        return "not required"
    return reboot_line(reboot).removeprefix("Reboot ")
