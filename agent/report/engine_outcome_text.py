"""Renders `maestro.engine-outcome/1` for people, and one run as a line of the history. Pure and light.

The first line is what is true now; it is read at night by somebody who has to decide whether to get up.
"""

from agent.report.engine_text import seconds_range
from agent.report.layout import Line, Tone, columns, field
from agent.report.status.engines import NAMES
from agent.report.text import counted, requester_name
from agent.state.engine_outcome_view import EngineOutcomeView
from agent.state.timestamps import format_human

MOST_CONTAINERS = 20
"""How many containers are listed unless all are asked for."""
_WIDTH = 13
_MORE = "and {} more (-v)"
_DONE = {"upgraded", "restarted", "rolled-back"}
_WORDS = {
    "unchanged": "nothing to do",
    "upgraded": "upgraded",
    "restarted": "restarted",
    "rolled-back": "ROLLED BACK",
    "blocked": "blocked, nothing changed",
    "failed-needs-attention": "FAILED, needs attention",
    "interrupted": "interrupted",
}
"""Words for people; documents keep the value."""
_PROGRAMS = {"docker": "engine", "weave": "router"}
"""What was down, by component."""
_LOGS = {
    "docker": "`systemctl status docker`, `journalctl -u docker -n 100`",
    "weave": "`docker ps -a --filter name=weave`, `docker logs --tail 100 weave`",
}
"""Where the cause of a failure is, by component."""


def engine_outcome_lines(outcome: EngineOutcomeView, *, running: bool = False, verbose: bool = False) -> list[str]:
    """Render a run; `running`: it is in progress now; `verbose`: every container."""
    if running:
        since = format_human(outcome.started_at)
        return [f"The upgrade of {NAMES[outcome.component]} is running since {since}: `maestro-agent follow`"]
    return [
        Line(headline(outcome), hang=2, tone=_tone(outcome)),
        *_reason_lines(outcome),
        *_downtime_lines(outcome),
        *_container_lines(outcome, verbose=verbose),
        *_package_lines(outcome),
        _run_line(outcome),
        *_next_lines(outcome),
    ]


def headline(outcome: EngineOutcomeView) -> str:
    """Return what runs now, and how it came to that."""
    name, now, before, target = NAMES[outcome.component], outcome.running, outcome.before, outcome.target
    wanted = f"the upgrade to {target}" if target and target != before else "the restart"
    if _unfinished(outcome):
        ran = f"{name} ran {before}" if before else f"{name} was stopped"
        return f"{ran}, and {wanted} was interrupted. `maestro-agent {outcome.component} plan` shows what runs now."
    if not (now or before or target):
        if outcome.blocked:
            return f"{name} is not installed: nothing was changed, the upgrade is blocked."
        return outcome.message or f"{name} is not installed: nothing to do."
    if now is None and before is None and outcome.result in _DONE:
        kept = f"{target} is installed" if outcome.result == "upgraded" else "its packages are those of before"
        return f"{name} is stopped, as before; {kept}."
    stopped = f"{name} does NOT run ({before} ran before)" if before else f"{name} is stopped, as before"
    runs = f"{name} runs {now}" if now else stopped
    texts = {
        "unchanged": f"{runs}: nothing to do.",
        "upgraded": f"{runs} (was {before}).",
        "restarted": f"{runs} (was {before}): it was restarted, no package changed.",
        "rolled-back": f"{runs}: {wanted} was rolled back.",
        "blocked": f"{runs}: nothing was changed, {_blocked_work(outcome)} is blocked.",
        "interrupted": f"{runs}: {wanted} was interrupted.",
        "failed-needs-attention": f"{runs}: {wanted} FAILED, and the agent does not try again.",
    }
    return texts.get(outcome.result, f"{runs}: {outcome.result}.")


def _blocked_work(outcome: EngineOutcomeView) -> str:
    """Without a target it is not known whether it would be just a restart: the version may not be available."""
    known = outcome.target and outcome.target != outcome.before
    return f"the upgrade to {outcome.target}" if known else "the upgrade"


def engine_history_cells(outcome: EngineOutcomeView, *, running: bool = False) -> tuple[str, ...]:
    """Return one run as cells, as `agent.report.outcome_text.history_cells`."""
    words = "running" if running else _WORDS.get(outcome.result, outcome.result)
    way = f"{outcome.before or 'stopped'} -> {outcome.target}" if outcome.target else outcome.before or "stopped"
    parts = [f"{outcome.component} {way}: {words}"]
    if outcome.engine_s is not None and not running:
        parts.append(f"{seconds(outcome.engine_s)} down" if outcome.engine_s else "no downtime")
    if outcome.lost and not running:
        parts.append(f"{counted(len(outcome.lost), 'container')} lost")
    by = "timer" if outcome.requested_by == "schedule" else requester_name(outcome.requested_by)
    took = "-" if outcome.duration_s is None or running else f"{outcome.duration_s:.0f} s"
    return (outcome.id, format_human(outcome.started_at), by, took, ", ".join(parts))


def seconds(value: float) -> str:
    """Return a measured duration: "2.4 s", "212 s"."""
    return f"{value:.1f} s" if value < 100 else f"{value:.0f} s"  # noqa: PLR2004 - below it tenths matter


def _tone(outcome: EngineOutcomeView) -> Tone | None:
    if outcome.result == "failed-needs-attention" or _unfinished(outcome):
        return Tone.FAILED
    if outcome.result in {"rolled-back", "blocked", "interrupted"} or outcome.lost:
        return Tone.ATTENTION
    return Tone.GOOD if outcome.result in {"upgraded", "restarted"} else None


def _unfinished(outcome: EngineOutcomeView) -> bool:
    """Whether a later run has to go on: it has no end, or its rollback waits."""
    return outcome.finished_at is None or (outcome.result == "interrupted" and outcome.rolled_back is False)


def _reason_lines(outcome: EngineOutcomeView) -> list[str]:
    because = [outcome.rollback_reason] if outcome.rollback_reason else []
    known = (*because, headline(outcome))
    note = [outcome.message] if outcome.message and outcome.message not in known else []
    if outcome.result == "failed-needs-attention" and not because:
        because, note = note, []
    return [
        *(field("Because", text, width=_WIDTH) for text in because),
        *(field("Note", text, width=_WIDTH) for text in note),
        *(Line(f"  {detail or code} [{code}]", hang=4, tone=Tone.HELD) for code, detail in outcome.blocked),
    ]


def _downtime_lines(outcome: EngineOutcomeView) -> list[str]:
    if outcome.result in {"unchanged", "blocked"} or outcome.finished_at is None:
        return []
    if outcome.engine_s == 0 and not outcome.containers:
        return [field("Downtime", f"none{_forecast(outcome.forecast_s)}", width=_WIDTH)]
    what = _PROGRAMS.get(outcome.component, outcome.component)
    down = seconds(outcome.engine_s) if outcome.engine_s is not None else "unknown"
    parts = [f"{what} {down}{_forecast(outcome.forecast_s)}"]
    if outcome.containers:
        known = [value for value in outcome.containers.values() if value is not None]
        count = counted(len(outcome.containers), "container")
        parts.append(f"{count} stopped" + (f", the longest for {seconds(max(known))}" if known else ""))
    elif outcome.engine_s is not None:
        parts.append("no container stopped")
    return [field("Downtime", "; ".join(parts), width=_WIDTH)]


def _forecast(bounds: tuple[float, float] | None) -> str:
    return f" (forecast {seconds_range(bounds)})" if bounds else ""


def _container_lines(outcome: EngineOutcomeView, *, verbose: bool) -> list[str]:
    """List what happened to the containers: those that are lost first, then each with its downtime."""
    lines = [
        _names("LOST", outcome.lost, "ran before and do not run now", Tone.FAILED, verbose=verbose),
        _names("Removed", outcome.removed, "as announced (--rm)", None, verbose=verbose),
        _names("Started", outcome.started, "by the agent", None, verbose=verbose),
        _names("Stopped", outcome.stopped, "again, as before", None, verbose=verbose),
    ]
    found = sorted(outcome.containers.items(), key=lambda one: (one[1] is not None, -(one[1] or 0.0), one[0]))
    shown = found if verbose else found[:MOST_CONTAINERS]
    rows = [
        (_down(outcome, name, value), _range(outcome, name), name + _judged(outcome, name, value))
        for name, value in shown
    ]
    more = [f"  and {len(found) - len(shown)} more (`maestro-agent history {outcome.id} -v`)"]
    return [
        *(line for line in lines if line),
        *(columns([("down", "forecast", "container"), *rows]) if rows else []),
        *(more if len(found) > len(shown) else []),
    ]


def _names(label: str, found: list[str], what: str, tone: Tone | None, *, verbose: bool) -> str:
    """Return a line with names; without `verbose` as many as fit."""
    if not found:
        return ""
    text = f"{label:<{_WIDTH}}{what}: {', '.join(found)}"
    return Line(text, hang=_WIDTH, tone=tone, more="" if verbose or tone else _MORE)


def _down(outcome: EngineOutcomeView, name: str, value: float | None) -> str:
    if value is not None:
        return seconds(value)
    return "still down" if name in outcome.lost else "unknown"


def _range(outcome: EngineOutcomeView, name: str) -> str:
    return seconds_range(outcome.expected.get(name)) if name in outcome.expected else "-"


def _judged(outcome: EngineOutcomeView, name: str, value: float | None) -> str:
    bounds = outcome.expected.get(name)
    return " (longer than forecast)" if bounds and value is not None and value > bounds[1] else ""


def _package_lines(outcome: EngineOutcomeView) -> list[str]:
    rows = [(one.package, f"{one.before or '(new)'} -> {one.after or '(removed)'}") for one in outcome.packages]
    return ["Packages:", *columns(rows)] if rows else []


def _run_line(outcome: EngineOutcomeView) -> Line:
    by = f", requested by {outcome.requested_by}" if outcome.requested_by else ""
    took = f", took {outcome.duration_s:.0f} s" if outcome.duration_s is not None else ""
    return field("Run", f"{outcome.id}, started {format_human(outcome.started_at)}{took}{by}", width=_WIDTH)


def _next_lines(outcome: EngineOutcomeView) -> list[str]:
    """Return what to do next; nothing where all is well."""
    command = f"maestro-agent {outcome.component}"
    steps: list[str] = []
    if outcome.lost:
        steps.append("See the lost containers: `docker ps -a`, `docker logs NAME`.")
    if _unfinished(outcome):
        steps.append("`maestro-agent check` finishes what is left of it, or rolls it back.")
    elif outcome.result == "failed-needs-attention":
        steps += [
            f"See the cause: {_LOGS[outcome.component]}.",
            f"Correct it, then `{command} upgrade --after-failure`.",
        ]
    elif outcome.result == "rolled-back":
        steps += [f"See the cause: {_LOGS[outcome.component]}.", f"Correct it, then `{command} upgrade` tries again."]
    elif outcome.result == "blocked":
        steps.append(f"Remove what blocks it, then `{command} plan`.")
    numbered = [f"{number}. {step}" if steps[1:] else step for number, step in enumerate(steps, 1)]
    return [field("" if place else "Next", step, width=_WIDTH) for place, step in enumerate(numbered)]
