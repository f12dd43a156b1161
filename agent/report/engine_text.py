"""Renders `maestro.engine-plan/1` for people. Pure and light."""

from collections.abc import Sequence
from datetime import datetime

from agent.report.engine_basis import basis_text
from agent.report.layout import Line, Tone, columns, field
from agent.report.status.engines import NAMES, engine_reasons, engine_summary
from agent.report.text import counted
from agent.state.engine_view import EngineContainerView, EngineView
from agent.state.timestamps import format_age, format_human

MOST_CONTAINERS = 20
"""How many containers are listed without `--all`."""
_WIDTH = 13
_DAEMON_JSON = "/etc/docker/daemon.json"
"""What a block names that is not about the manifest."""
_FATES = {
    "is-removed": "removed",
    "needs-start": "started by the agent",
    "restarts": "restarts",
    "stops": "stays stopped",
    "keeps-running": "keeps running",
}
"""What happens to a container, the most serious first."""
_COUNTED = {
    "restarts": "down for a time",
    "needs-start": "down until the agent starts them",
    "is-removed": "removed",
    "keeps-running": "running on",
}
"""How a question counts containers by what happens to them."""
_STEPS = {
    "upgrade-weave-first": "upgrade Weave first",
    "save": "save packages and containers' states",
    "download": "download",
    "install": "install",
    "validate": "validate the engine's configuration",
    "live-restore": "switch live-restore on",
    "stop-slow": "stop slow containers",
    "restart": "restart",
    "start": "start containers",
    "launch": "launch the router",
    "verify": "verify",
}


def engine_status_lines(engine: EngineView | None, component: str, now: datetime) -> list[str]:
    """Render what the last check recorded; None: neither installed nor wanted."""
    if engine is None or engine.absent:
        return [f"{NAMES[component]}: not installed, and no manifest asks for it"]
    lines: list[str] = [
        Line(f"{NAMES[component]}: {engine_summary(engine)}"),
        *(Line(f"  ! {reason}", hang=4, tone=Tone.HELD) for reason in engine_reasons(engine)),
        field("Checked", f"{format_human(engine.at)} ({format_age(engine.at, now)})", width=_WIDTH),
    ]
    if engine.containers:  # a plan without a restart lists none
        running = [one for one in engine.containers if one.state in {"running", "paused", "restarting"}]
        lines.append(field("Containers", f"{len(engine.containers)}, {len(running)} of them running", width=_WIDTH))
    return lines


def engine_plan_lines(
    engine: EngineView, *, every: bool = False, command: bool = True, allowed: Sequence[str] = ()
) -> list[str]:
    """Render a plan; `every`: all containers, `command`: with the command for it, `allowed`: that command's options."""
    name = NAMES[engine.component]
    if engine.absent:
        return [f"{name}: not installed, and no manifest asks for it. Nothing to do."]
    if engine.unseen is not None:
        return [Line(f"{name} could not be observed: {engine.unseen}", tone=Tone.FAILED)]
    return [
        *_head_lines(engine, name),
        *_coded_lines("Blocked", engine.blocked, Tone.HELD),
        *_coded_lines("Warnings", engine.warnings, None),
        *_package_lines(engine),
        *_order_lines(engine),
        *_container_lines(engine, every=every),
        *([f"Nothing to do: {name} is as wanted."] if engine.nothing_to_do else []),
        *(_command_lines(engine, allowed) if command else []),
    ]


def _command_lines(engine: EngineView, allowed: Sequence[str]) -> list[str]:
    if engine.nothing_to_do or engine.blocked:
        return []
    words = [
        "maestro-agent",
        engine.component,
        "upgrade",
        *(f"--{name}" for name in allowed),
        "--plan",
        engine.id or "",
    ]
    return [f"Do exactly this: `{' '.join(words)}`"]


def _head_lines(engine: EngineView, name: str) -> list[str]:
    running = engine.running or ("not running" if engine.running_known else "unknown")
    lines: list[str] = [
        Line(name if engine.flavour == "none" else f"{name} ({engine.flavour})"),
        field("Installed", engine.installed or "not installed", width=_WIDTH),
        field("Running", running + (", a restart is pending" if engine.restart_pending else ""), width=_WIDTH),
        field("Wanted", _wanted(engine), width=_WIDTH),
    ]
    if engine.window is not None and not engine.nothing_to_do:
        window = window_text(engine.window.text, engine.window.opens_at, engine.window.closes_at, engine.at)
        lines.append(field("Window", window, width=_WIDTH))
    if not engine.nothing_to_do:
        lines.append(field("Downtime", _downtime(engine), width=_WIDTH))
    return lines


def _wanted(engine: EngineView) -> str:
    codes = [code for code, _ in engine.blocked]
    if engine.wanted is None:
        invalid = any(code == "config-invalid" and _DAEMON_JSON not in detail for code, detail in engine.blocked)
        return (
            "unknown, the manifest is invalid" if invalid else "no manifest mentions it: no other version is installed"
        )
    if engine.candidate is None:
        return f"{engine.wanted} (not available)" if "version-unavailable" in codes else engine.wanted
    return engine.wanted if engine.candidate == engine.wanted else f"{engine.wanted} ({engine.candidate})"


def _downtime(engine: EngineView) -> str:
    if engine.downtime_s is None:
        return "unknown" if engine.restart_needed else "none: nothing is restarted"
    basis = f" ({basis_text(engine.basis)})" if engine.basis else ""
    return f"{seconds_range(engine.downtime_s)}{basis}"


def engine_question(engine: EngineView) -> str:
    """Return what a person is asked before an upgrade, below its plan: what changes, and for how long it is down."""
    name = NAMES[engine.component]
    if engine.packages or engine.candidate != engine.running:
        work = f"Change {name} {engine.running or engine.installed or '(not installed)'} to {engine.candidate}"
    else:
        work = f"Restart {name}"
    if not engine.restart_needed:
        return f"{work}, without downtime?"
    return f"{work}, down for {seconds_range(engine.downtime_s)}?"


def engine_summary_lines(engine: EngineView) -> list[str]:
    """Return how many containers an upgrade stops, removes and leaves alone: the line above the question."""
    counts = [(word, sum(one.will == fate for one in engine.containers)) for fate, word in _COUNTED.items()]
    parts = [f"{count} {word}" for word, count in counts if count]
    return [field("Containers", ", ".join(parts), width=_WIDTH)] if parts and engine.restart_needed else []


def window_text(text: str, opens_at: datetime | None, closes_at: datetime | None, now: datetime) -> str:
    """Return whether the daemon may start an upgrade now, and when else."""
    if opens_at is None or closes_at is None:
        return f"{text} is too short for this upgrade: it is carried out on request only"
    if opens_at > now:
        return f"outside-window, opens {format_human(opens_at)} ({text})"
    return f"open until {format_human(closes_at)} ({text})"


def seconds_range(bounds: tuple[float, float] | None) -> str:
    """Return a forecast: "none", "3 s", "1-15 s"; "unknown" for None."""
    if bounds is None:
        return "unknown"
    low, high = bounds
    if not high:
        return "none"
    texts = [f"{value:.1f}".removesuffix(".0") if value < 10 else f"{value:.0f}" for value in (low, high)]  # noqa: PLR2004 - below it tenths matter
    return f"{texts[0] if texts[0] == texts[1] else '-'.join(texts)} s"


def _coded_lines(label: str, found: list[tuple[str, str]], tone: Tone | None) -> list[str]:
    return [
        *([Line(f"{label}:", tone=tone)] if found else []),
        *(Line(f"  {detail or code} [{code}]", hang=4, tone=tone) for code, detail in found),
    ]


def _package_lines(engine: EngineView) -> list[str]:
    rows = [(one.package, f"{one.before or '(new)'} -> {one.after or '(removed)'}") for one in engine.packages]
    return ["Packages:", *columns(rows)] if rows else []


def _order_lines(engine: EngineView) -> list[str]:
    steps = ", ".join(_STEPS.get(step, step) for step in engine.order)
    return [field("Steps", steps, width=_WIDTH)] if steps else []


def _container_lines(engine: EngineView, *, every: bool) -> list[str]:
    """List the containers, those that need a person's attention first: what happens, downtime, policy, name."""
    if not engine.containers or engine.nothing_to_do:
        return []
    order = {fate: place for place, fate in enumerate(_FATES)}
    found = sorted(engine.containers, key=lambda one: (order.get(one.will, 0), -_longest(one), one.name))
    shown = found if every else found[:MOST_CONTAINERS]
    hidden = len(found) - len(shown)
    more = [f"  and {hidden} more (`maestro-agent {engine.component} plan --all`)"] if hidden else []
    rows = [(_FATES.get(one.will, one.will), seconds_range(one.downtime_s), one.policy, one.name) for one in shown]
    head = [("at the upgrade", "downtime", "policy", "container")]
    return [f"{counted(len(found), 'container')}:", *columns([*head, *rows]), *more]


def _longest(one: EngineContainerView) -> float:
    return one.downtime_s[1] if one.downtime_s else 0.0
