"""`maestro.explain/1` about Docker or Weave, made from what the last check recorded. Pure."""

from datetime import datetime

from agent.core.model.engine_plan import EngineWindow
from agent.core.schemas import EXPLAIN_SCHEMA, Document
from agent.report.engine_text import window_text
from agent.report.status.engines import NAMES
from agent.state.engine_view import EngineView
from agent.state.timestamps import format_human, format_utc


def explain_engine(
    component: str, engine: EngineView | None, generated_at: datetime, window: EngineWindow | None = None
) -> Document:
    """Return conclusion and gates; None: neither installed nor wanted. `window`: its opening as of now."""
    return {
        "schema": EXPLAIN_SCHEMA,
        "generated_at": format_utc(generated_at),
        "subject": component,
        "conclusion": _conclusion(engine),
        component: engine.raw if engine else None,
        "gates": []
        if engine is None or engine.absent
        else [*_gates(component, engine), *_window(engine, window, generated_at)],
    }


def unknown_engine(component: str, generated_at: datetime) -> Document:
    """Return the explanation before the first check."""
    return {
        "schema": EXPLAIN_SCHEMA,
        "generated_at": format_utc(generated_at),
        "subject": component,
        "conclusion": "unknown",
        component: None,
        "gates": [_gate("installed", "unknown", "never checked", opens="maestro-agent check")],
    }


def _conclusion(engine: EngineView | None) -> str:
    if engine is None or engine.absent:
        return "not-installed"
    if engine.unseen is not None:
        return "unknown"
    if engine.restart_pending:
        return "restart-pending"
    if engine.differs:
        return "other-version-wanted"
    return "as-wanted" if engine.wanted is not None else "not-managed"


def _gates(component: str, engine: EngineView) -> list[Document]:
    at = format_human(engine.at)
    if engine.unseen is not None:
        return [_gate("installed", "unknown", f"could not be observed at {at}: {engine.unseen}")]
    return [
        _gate("installed", "open", f"{_installed(engine)}, as of {at}"),
        _running(engine),
        _manifest(component, engine),
        *(_gate(code, "shut", detail or code) for code, detail in engine.blocked),
    ]


def _installed(engine: EngineView) -> str:
    return f"version {engine.installed} ({engine.flavour})" if engine.installed else f"no version ({engine.flavour})"


def _running(engine: EngineView) -> Document:
    if not engine.running_known:
        return _gate("running", "unknown", "unknown whether it runs")
    if engine.restart_pending:
        reason = f"version {engine.running} runs and is not the installed one: a restart is pending"
        return _gate("running", "shut", reason, opens=f"maestro-agent {engine.component} upgrade")
    return _gate("running", "open", f"version {engine.running} runs" if engine.running else "not running")


def _manifest(component: str, engine: EngineView) -> Document:
    if engine.wanted is None:
        return _gate(
            "manifest", "open", f"no manifest names a version of {NAMES[component]}: no other one is installed"
        )
    if engine.differs:
        return _gate(
            "manifest",
            "shut",
            f"the manifest wants {engine.wanted}, installed is {engine.installed or 'none'}",
            opens=f"maestro-agent {component} {'plan' if engine.blocked else 'upgrade'}",
        )
    return _gate("manifest", "open", f"the manifest wants {engine.wanted}")


def _window(engine: EngineView, window: EngineWindow | None, now: datetime) -> list[Document]:
    """Return the gate of the maintenance window, if there is work for it."""
    if window is None or engine.unseen is not None or engine.nothing_to_do:
        return []
    reason = window_text(window.text, window.opens_at, window.closes_at, now)
    if window.opens_at is not None and window.opens_at <= now:
        return [_gate("window", "open", reason)]
    gate = _gate("window", "shut", reason, opens=f"maestro-agent {engine.component} upgrade, at any time")
    return [{**gate, "until": format_utc(window.opens_at) if window.opens_at else None}]


def _gate(name: str, verdict: str, reason: str, *, opens: str | None = None) -> Document:
    return {"gate": name, "verdict": verdict, "reason": reason, "until": None, "opens": opens}
