"""What a host's report says of Docker and Weave: versions, blocks, and the forecast of a downtime. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from endpoint.core.host_page.parts import Part

NAMES: Mapping[str, str] = {"docker": "Docker", "weave": "Weave"}
_SHOWN = 500
_WILL: Mapping[str, str] = {
    "keeps-running": "keeps running",
    "restarts": "restarts",
    "stops": "stops",
    "is-removed": "is removed",
    "needs-start": "stops, and the agent starts it",
}
Span = tuple[float, float]
"""At least and at most, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineContainer:
    """A container, and what an upgrade of the engine does to it."""

    name: str
    state: str
    policy: str
    will: str
    downtime_s: Span | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRun:
    """The last upgrade of an engine."""

    id: str
    result: str
    started_at: datetime | None
    finished_at: datetime | None
    before: str | None
    after: str | None
    engine_s: float | None
    lost: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineView:
    """Docker or Weave on one host, as of the last check."""

    name: str
    seen_at: datetime | None
    unseen: str | None
    """Why it could not be observed; None: it was."""
    flavour: str
    installed: str | None
    running: str
    wanted: str | None
    """As the manifest has it; None: it does not mention the engine."""
    candidate: str | None
    restart_pending: bool
    restart_needed: bool
    downtime_s: Span | None
    """Of the engine, if it is upgraded; None: unknown, or nothing stops."""
    basis: tuple[str, ...]
    """What the forecast is based on."""
    packages: tuple[tuple[str, str | None, str | None], ...]
    """What an upgrade changes: package, from, to."""
    containers: tuple[EngineContainer, ...]
    blocked: tuple[tuple[str, str], ...]
    """Code and sentence."""
    warnings: tuple[tuple[str, str], ...]
    window: str | None
    opens_at: datetime | None
    last: EngineRun | None

    @property
    def is_due(self) -> bool:
        """Return whether an upgrade or a restart is to be done."""
        differs = self.wanted is not None and (self.candidate or self.wanted) != self.installed
        return self.restart_pending or differs


def engine_view(report: Part, component: str) -> EngineView | None:
    """Return an engine; None: neither installed nor wanted, or never checked."""
    engine = report.child(component)
    if engine.is_empty:
        return None
    downtime, window = engine.child("downtime"), engine.child("window")
    return EngineView(
        name=NAMES[component],
        seen_at=engine.moment("seen_at"),
        unseen=engine.text("unseen"),
        flavour=engine.word("flavour"),
        installed=engine.text("installed"),
        running=_running(engine),
        wanted=engine.text("wanted"),
        candidate=engine.text("candidate"),
        restart_pending=engine.flag("restart_pending") is True,
        restart_needed=engine.flag("restart_needed") is True,
        downtime_s=downtime.span("expected_s"),
        basis=downtime.texts("basis"),
        packages=tuple(
            (one.word("package"), one.text("from"), one.text("to")) for one in engine.children("packages")[:_SHOWN]
        ),
        containers=tuple(map(_container, engine.children("containers")[:_SHOWN])),
        blocked=tuple((one.word("why"), one.text("detail") or "") for one in engine.children("blocked")[:_SHOWN]),
        warnings=tuple((one.word("code"), one.text("detail") or "") for one in engine.children("warnings")[:_SHOWN]),
        window=window.text("text"),
        opens_at=window.moment("opens_at"),
        last=_run(engine.child("last_upgrade")),
    )


def _running(engine: Part) -> str:
    if engine.flag("running_known") is not True:
        return "unknown"
    return engine.text("running") or "not running"


def _container(one: Part) -> EngineContainer:
    will = one.word("will")
    return EngineContainer(
        name=one.text("name") or one.word("id"),
        state=one.word("state"),
        policy=one.word("policy"),
        will=_WILL.get(will, will),
        downtime_s=one.span("downtime_s"),
    )


def _run(last: Part) -> EngineRun | None:
    if last.is_empty:
        return None
    return EngineRun(
        id=last.word("id"),
        result=last.word("result"),
        started_at=last.moment("started_at"),
        finished_at=last.moment("finished_at"),
        before=last.text("from"),
        after=last.text("to"),
        engine_s=last.number("engine_s"),
        lost=last.texts("containers_lost"),
        message=last.text("message") or "",
    )
