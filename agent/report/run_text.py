"""Renders a run of the history for people, whatever job left it. Pure and light."""

from agent.core.spread import spread
from agent.host.unattended_upgrades.runs import TheirRun
from agent.report.engine_outcome_text import engine_history_cells, engine_outcome_lines
from agent.report.outcome_text import history_cells, outcome_lines
from agent.report.reboot_outcome_text import reboot_history_cells, reboot_outcome_lines
from agent.report.restart_outcome_text import restart_history_cells, restart_outcome_lines
from agent.state.engine_outcome_view import EngineOutcomeView
from agent.state.json_reader import JsonReader
from agent.state.reboot_outcome_view import RebootOutcomeView
from agent.state.restart_outcome_view import RestartOutcomeView
from agent.state.run_views import AnyRunView, OutcomeView, run_view
from agent.state.timestamps import format_human, seconds_between

_MOST_NAMES = 5


def run_lines(run: JsonReader, *, running: bool = False, verbose: bool = False) -> list[str]:
    """Render a run; `running`: it is in progress now.

    Raises:
        RecordError: the document is malformed.
    """
    view = run_view(run)
    if isinstance(view, EngineOutcomeView):
        return engine_outcome_lines(view, running=running, verbose=verbose)
    if isinstance(view, RebootOutcomeView):
        return reboot_outcome_lines(view, running=running, verbose=verbose)
    if isinstance(view, RestartOutcomeView):
        return restart_outcome_lines(view, running=running)
    return outcome_lines(OutcomeView(run), running=running, verbose=verbose)


def their_cells(run: TheirRun) -> tuple[str, ...]:
    """Return a run of unattended-upgrades as cells of the history; it has no id, and its log is dpkg's."""
    took_s = seconds_between(run.started_at, run.finished_at)
    duration = f"{took_s:.0f} s" if took_s is not None else "-"
    installed = _named("installed", [f"{name} {after}" for name, _, _, after in run.changes])
    removed = _named("removed", [name for name, _, _ in run.removed])
    failed = [f"{len(run.unconfirmed)} not installed"] if run.unconfirmed else []
    return (
        "-",
        format_human(run.started_at),
        "unattended-upgrades",
        duration,
        "; ".join((*installed, *removed, *failed)),
    )


def _named(verb: str, names: list[str]) -> list[str]:
    """Return what was done with some packages as one text; empty if there are none."""
    return [f"{verb} {spread(names, _MOST_NAMES)}"] if names else []


def run_cells(run: AnyRunView, *, running: bool = False) -> tuple[str, ...]:
    """Return a run as cells of the history: id, start, who requested it, duration, result."""
    if isinstance(run, EngineOutcomeView):
        return engine_history_cells(run, running=running)
    if isinstance(run, RebootOutcomeView):
        return reboot_history_cells(run, running=running)
    if isinstance(run, RestartOutcomeView):
        return restart_history_cells(run, running=running)
    return history_cells(run, running=running)
