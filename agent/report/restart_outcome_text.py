"""Renders `maestro.restart-outcome/1` for people, and one run as a line of the history. Pure and light."""

from collections.abc import Iterator

from agent.report.layout import Line, Tone, columns, field
from agent.report.text import counted, requester_name
from agent.state.restart_outcome_view import RestartOutcomeView, RestartUnitView
from agent.state.timestamps import format_human

_WIDTH = 13
_TONES = {
    "restarted": Tone.GOOD,
    "degraded": Tone.FAILED,
    "failed": Tone.FAILED,
    "interrupted": Tone.ATTENTION,
    "planned": Tone.ATTENTION,
}
_UNIT_TONES = {"failed": Tone.FAILED, "restarting": Tone.ATTENTION, "left": Tone.HELD}
_WORDS = {
    "planned": "will be restarted",
    "restarting": "was being restarted",
    "restarted": "restarted, active",
    "failed": "FAILED",
    "left": "left",
}
_RESULTS = {
    "restarted": "done",
    "unchanged": "nothing to restart",
    "degraded": "done, with FAILURES",
    "failed": "FAILED",
}
"""Words for people; documents keep the value."""
_REEXEC = "systemd itself"
_MANAGER = "init.scope"


def restart_outcome_lines(outcome: RestartOutcomeView, *, running: bool = False) -> list[str]:
    """Render a run, or the plan of a dry run; `running`: it is in progress now."""
    if running:
        since = format_human(outcome.started_at)
        return [f"The restart of services is in progress since {since}: `maestro-agent follow`"]
    tone = _TONES.get(outcome.result)
    if outcome.result == "planned" and not outcome.of_result("planned"):
        tone = None
    return [
        Line(restart_headline(outcome), hang=2, tone=tone),
        *_unit_lines(outcome),
        *([field("Note", outcome.message, width=_WIDTH)] if outcome.message else []),
        *_remaining_lines(outcome),
        *_run_lines(outcome),
        *(field("" if place else "Next", step, width=_WIDTH) for place, step in enumerate(_next_steps(outcome))),
    ]


def restart_headline(outcome: RestartOutcomeView) -> str:
    """Return how many services were restarted, or will be."""
    done, failed = outcome.of_result("restarted"), outcome.of_result("failed")
    left = outcome.of_result("left")
    if outcome.result == "planned" and outcome.of_result("planned"):
        return f"{counted(len(outcome.of_result('planned')), 'service')} will be restarted{_left(left)}."
    if outcome.result in {"unchanged", "planned"}:
        return f"Nothing to restart{_left(left)}." if left else "No service runs replaced files."
    if outcome.result == "interrupted":
        return f"Interrupted after {counted(len(done), 'restart').lower()}{_left(left)}."
    text = f"{counted(len(done), 'service')} restarted"
    return f"{text}{f', {len(failed)} FAILED' if failed else ''}{_left(left)}."


def restart_history_cells(outcome: RestartOutcomeView, *, running: bool = False) -> tuple[str, ...]:
    """Return one run as cells, as `agent.report.outcome_text.history_cells`."""
    parts = [f"restart-services: {'running' if running else _RESULTS.get(outcome.result, outcome.result)}"]
    for result in () if running else ("restarted", "failed", "left"):
        count = len(outcome.of_result(result))
        parts += [f"{count} {result}"] if count else []
    by = requester_name(outcome.requested_by)
    took = "-" if outcome.duration_s is None or running else f"{outcome.duration_s:.0f} s"
    return (outcome.id, format_human(outcome.started_at), by, took, ", ".join(parts))


def _left(units: list[RestartUnitView]) -> str:
    return f"; {counted(len(units), 'unit').lower()} left alone" if units else ""


def _unit_lines(outcome: RestartOutcomeView) -> Iterator[Line]:
    rows = [(_name(unit), _what(unit)) for unit in outcome.units]
    for unit, line in zip(outcome.units, columns(rows), strict=True):
        yield Line(line, hang=line.hang, tone=_UNIT_TONES.get(unit.result))


def _name(unit: RestartUnitView) -> str:
    return _REEXEC if unit.unit == _MANAGER else unit.unit.removesuffix(".service")


def _what(unit: RestartUnitView) -> str:
    word = _WORDS.get(unit.result, unit.result)
    if unit.action == "daemon-reexec":
        word = word.replace("will be restarted", "will re-execute").replace("restarted, active", "re-executed")
    detail = f": {unit.detail}" if unit.detail else ""
    others = f"; with it {', '.join(unit.restarts_with)}" if unit.restarts_with and unit.result != "left" else ""
    return f"{word}{detail}{others}"


def _remaining_lines(outcome: RestartOutcomeView) -> list[Line]:
    """Name those that still run replaced files and are neither left alone nor about to be restarted."""
    left = {unit.unit for unit in outcome.of_result("left", "planned")}
    more = [name for name in outcome.remaining or () if name not in left]
    return [field("Remaining", f"{', '.join(more)} still run replaced files", width=_WIDTH)] if more else []


def _run_lines(outcome: RestartOutcomeView) -> list[Line]:
    if not outcome.id:
        return []
    by = f", requested by {outcome.requested_by}" if outcome.requested_by else ""
    took = f", took {outcome.duration_s:.0f} s" if outcome.duration_s is not None else ""
    return [field("Run", f"{outcome.id}, started {format_human(outcome.started_at)}{took}{by}", width=_WIDTH)]


def _next_steps(outcome: RestartOutcomeView) -> list[str]:
    """Return what to do next; nothing where all is well."""
    failed = [unit.unit for unit in outcome.of_result("failed", "restarting")]
    steps = [f"`systemctl status {failed[0]}`, `journalctl -u {failed[0]}` show the cause."] if failed else []
    if any(unit.why == "needs-reboot" for unit in outcome.units) and outcome.result != "planned":
        steps.append("The rest needs a reboot: `maestro-agent reboot`.")
    return steps
