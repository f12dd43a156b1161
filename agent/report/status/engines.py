"""Docker and Weave in `status`, as the last check saw them. Pure and light."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from agent.core.schemas import Document
from agent.report.layout import Line, Tone, field
from agent.report.status.observed import RunningJob
from agent.state.lazy_module import lazy_module
from agent.state.timestamps import format_human, format_utc
from agent.state.views import StateView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.state import engine_outcome_view, engine_view
else:
    engine_outcome_view = lazy_module("agent.state.engine_outcome_view")
    engine_view = lazy_module("agent.state.engine_view")

NAMES = {"docker": "Docker", "weave": "Weave"}
"""Name for people by component."""
_MOST_NAMES = 5
"""How many lost containers a reason names."""


class Engines:
    """Docker and Weave; None for one that is neither installed nor wanted, or before the first check."""

    def __init__(
        self,
        state: StateView | None,
        runs: Mapping[str, engine_outcome_view.EngineOutcomeView] | None = None,
        running: RunningJob | None = None,
    ) -> None:
        """Take the last check, the last upgrade of each by component, and the job that is running."""
        self.docker = state.docker if state else None
        self.weave = state.weave if state else None
        self.runs = runs or {}
        self._running = running

    @property
    def document(self) -> Document:
        """Return the `docker` and the `weave` of the status: the plan, and the last upgrade as `last_upgrade`."""
        return {"docker": self._document(self.docker), "weave": self._document(self.weave)}

    @property
    def reasons(self) -> list[str]:
        """Return what asks for attention."""
        return [reason for engine in self._shown() for reason in engine_reasons(engine)] + [
            text for *_, text in self.failures
        ]

    @property
    def failures(self) -> list[tuple[str, str, str]]:
        """Return code, run and sentence of each last upgrade that failed or left something; not of one that runs."""
        ended = [one for one in self.runs.values() if self._running is None or not self._running.is_run(one)]
        return [
            *((f"{one.component}-{one.result}", one.id, text) for one in ended if (text := run_reason(one))),
            *(
                (f"{one.component}-containers-lost", one.id, lost_reason(one, names))
                for one in ended
                if (names := self._lost(one))
            ),
            *((f"{one.component}-problem", one.id, problem_reason(one)) for one in ended if one.problem),
        ]

    def lines(self, width: int) -> list[Line]:
        """Render a line for each that is installed or wanted."""
        return [
            field(
                NAMES[engine.component],
                engine_summary(engine),
                width=width,
                tone=Tone.HELD if engine_reasons(engine) else None,
            )
            for engine in self._shown()
        ]

    def _lost(self, run: engine_outcome_view.EngineOutcomeView) -> list[str]:
        """Return the containers that an upgrade lost and that are still down, unless it failed as a whole."""
        engine = self.docker if run.component == "docker" else self.weave
        return [] if engine is None or run_reason(run) else engine.lost.get(run.id, run.lost)

    def _document(self, engine: engine_view.EngineView | None) -> Document | None:
        if engine is None:
            return None
        run = self.runs.get(engine.component)
        return {**engine.raw, "last_upgrade": _run_document(run) if run else None}

    def _shown(self) -> Iterable[engine_view.EngineView]:
        return (one for one in (self.docker, self.weave) if one is not None and not one.absent)


def run_reason(run: engine_outcome_view.EngineOutcomeView) -> str:
    """Return why a person should look at the last upgrade of an engine; empty if it needs nobody."""
    name, history = run.component, f"`maestro-agent history {run.id}`"
    if run.result == "failed-needs-attention":
        return f"the upgrade of {name} failed and needs attention: {history}"
    if run.result == "rolled-back":
        return f"the last upgrade of {name} was rolled back: {history}"
    if run.finished_at is None:
        return f"the upgrade of {name} was interrupted: `maestro-agent check` finishes it or rolls it back"
    return ""


def lost_reason(run: engine_outcome_view.EngineOutcomeView, names: list[str]) -> str:
    """Return which containers are down since the last upgrade of an engine."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    down = f"{', '.join(names[:_MOST_NAMES])}{more}"
    return f"the last upgrade of {run.component} left containers down: {down}: `maestro-agent history {run.id}`"


def problem_reason(run: engine_outcome_view.EngineOutcomeView) -> str:
    """Return which hook failed after the last upgrade of an engine."""
    first_line = run.problem.partition("\n")[0]
    return f"the last upgrade of {run.component} left a problem: {first_line}: `maestro-agent history {run.id}`"


def _run_document(run: engine_outcome_view.EngineOutcomeView) -> Document:
    return {
        "id": run.id,
        "result": run.result,
        "started_at": format_utc(run.started_at),
        "finished_at": format_utc(run.finished_at) if run.finished_at else None,
        "from": run.before,
        "to": run.target,
        "running": run.running,
        "engine_s": run.engine_s,
        "containers_lost": [*run.lost, *run.removed],
        "message": run.message,
    }


def engine_reasons(engine: engine_view.EngineView) -> list[str]:
    """Return why a person should look at an engine."""
    name = engine.component
    if engine.unseen is not None:
        return [f"{name} could not be observed: {engine.unseen}"]
    reasons = []
    if engine.restart_pending:
        reasons.append(f"{pending_restart(engine)}: `maestro-agent {name} plan`{_window(engine)}")
    if engine.differs:
        why = f" (blocked: {', '.join(code for code, _ in engine.blocked)})" if engine.blocked else ""
        wanted = engine.candidate or engine.wanted
        installed = f"{name} {engine.installed}" if engine.installed else f"{name} is not installed"
        reasons.append(f"{installed}, the manifest wants {wanted}{why}: `maestro-agent {name} plan`{_window(engine)}")
    return reasons


def pending_restart(engine: engine_view.EngineView) -> str:
    """Return which engine runs although another one, or the same from another file, is installed."""
    behind = "from a replaced file" if engine.running == engine.installed else f"and {engine.installed} is installed"
    return f"{engine.component} {engine.running or 'of an unknown version'} runs {behind}: it needs a restart"


def _window(engine: engine_view.EngineView) -> str:
    """Return when the daemon carries the plan out by itself; empty if it does not."""
    window = engine.window
    if window is None or window.opens_at is None or engine.blocked:
        return ""
    if window.opens_at <= engine.at:
        return ", or in its window, which was open at the last check"
    return f", or in its window from {format_human(window.opens_at)}"


def engine_summary(engine: engine_view.EngineView) -> str:
    """Return the installed, the running and the wanted version as one line."""
    if engine.unseen is not None:
        return f"unknown: {engine.unseen}"
    if engine.installed is None and engine.flavour == "none":
        parts = ["not installed"]
    else:
        parts = [f"{engine.installed or 'an unknown version'} ({engine.flavour})", _running(engine)]
    if engine.wanted is not None:
        wanted = engine.wanted
        if engine.candidate not in (None, wanted):
            wanted += f" ({engine.candidate})"
        parts.append("as the manifest wants" if engine.candidate == engine.installed else f"wanted {wanted}")
    if engine.restart_pending:
        parts.append("restart pending")
    return ", ".join(parts)


def _running(engine: engine_view.EngineView) -> str:
    if not engine.running_known:
        return "unknown whether it runs"
    if engine.running is None:
        return "not running"
    return "running" if engine.running == engine.installed else f"{engine.running} running"
