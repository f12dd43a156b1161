"""`maestro.engine-plan/1`, encoded and decoded side by side. Pure. Decoders raise RecordError."""

from collections.abc import Callable
from datetime import datetime

from agent.core.frozen import frozen
from agent.core.model.engine_plan import (
    Block,
    Component,
    ContainerForecast,
    Downtime,
    EnginePlan,
    EngineStep,
    EngineWarning,
    EngineWhy,
    EngineWindow,
    Fate,
    FixRoute,
    HeldFix,
    LostContainers,
    Notice,
)
from agent.core.model.facts import Unseen
from agent.core.redact import redact
from agent.core.schemas import ENGINE_PLAN_SCHEMA, Document
from agent.errors import RecordError
from agent.state.documents.engine_outcome import package_change_from_document, package_change_to_document
from agent.state.documents.parts import enum_from_document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc


@frozen
class EngineSentences:
    """Text for people of a plan's codes (`agent.report.engine_reasons`)."""

    block: Callable[[Block], str]
    warning: Callable[[Notice], str]


def engine_plan_to_document(plan: EnginePlan, generated_at: datetime, sentences: EngineSentences) -> Document:
    """Return `maestro.engine-plan/1`."""
    return {
        "schema": ENGINE_PLAN_SCHEMA,
        "generated_at": format_utc(generated_at),
        "id": plan.id,
        "component": plan.component.value,
        "unseen": None,
        "seen_at": format_utc(plan.seen_at),
        "flavour": plan.flavour,
        "installed": plan.installed,
        "running": plan.running,
        "running_known": plan.running_known,
        "wanted": plan.wanted,
        "candidate": plan.candidate,
        "packages": [package_change_to_document(change) for change in plan.packages],
        "restart_needed": plan.restart_needed,
        "restart_pending": plan.restart_pending,
        "downtime": _downtime_to_document(plan.downtime),
        "containers": [_container_to_document(one) for one in plan.containers],
        "blocked": [
            {"why": one.why.value, "detail": redact(sentences.block(one)), "values": list(map(redact, one.values))}
            for one in plan.blocked
        ],
        "warnings": [
            {"code": one.code.value, "detail": redact(sentences.warning(one)), "values": list(map(redact, one.values))}
            for one in plan.warnings
        ],
        "order": [step.value for step in plan.order],
        "held_fixes": [_held_fix_to_document(one) for one in plan.held_fixes],
        "window": _window_to_document(plan.window),
        "lost": {"run": plan.lost.run, "containers": list(plan.lost.names)} if plan.lost else None,
    }


def unseen_engine_to_document(component: Component, unseen: Unseen, generated_at: datetime) -> Document:
    """Return `maestro.engine-plan/1` of a component that could not be observed: only `unseen`, the reason."""
    return {
        "schema": ENGINE_PLAN_SCHEMA,
        "generated_at": format_utc(generated_at),
        "id": None,
        "component": component.value,
        "unseen": redact(unseen.reason),
    }


def engine_plan_from_document(plan: JsonReader) -> EnginePlan | Unseen:
    """Return a plan, or why there is none. Sentences are not part of the value."""
    reason = plan.optional_text("unseen")
    if reason is not None:
        return Unseen(reason=reason)
    return EnginePlan(
        component=enum_from_document(plan, "component", Component),
        seen_at=plan.time("seen_at"),
        flavour=plan.text("flavour"),
        installed=plan.optional_text("installed"),
        running=plan.optional_text("running"),
        running_known=plan.boolean("running_known"),
        wanted=plan.optional_text("wanted"),
        candidate=plan.optional_text("candidate"),
        packages=tuple(package_change_from_document(part) for part in plan.children("packages")),
        restart_needed=plan.boolean("restart_needed"),
        restart_pending=plan.boolean("restart_pending"),
        downtime=_downtime_from_document(plan.child("downtime")),
        containers=tuple(_container_from_document(part) for part in plan.children("containers")),
        blocked=tuple(
            Block(why=enum_from_document(part, "why", EngineWhy), values=tuple(part.texts("values")))
            for part in plan.children("blocked")
        ),
        warnings=tuple(
            Notice(code=enum_from_document(part, "code", EngineWarning), values=tuple(part.texts("values")))
            for part in plan.children("warnings")
        ),
        order=_steps_from_document(plan.texts("order")),
        held_fixes=held_fixes_from_document(plan),
        window=_window_from_document(plan.optional_child("window")),
        lost=lost_from_document(plan),
    )


def held_fixes_from_document(plan: JsonReader) -> tuple[HeldFix, ...]:
    """Return the held fixes of a plan; documents of earlier versions, and of what was not observed, have none."""
    return tuple(
        HeldFix(
            package=part.text("package"),
            version=part.text("to"),
            since=part.time("since"),
            route=enum_from_document(part, "route", FixRoute),
            downtime=_downtime_from_document(part),
        )
        for part in plan.optional_children("held_fixes")
    )


def lost_from_document(plan: JsonReader) -> LostContainers | None:
    """Return what the last upgrade lost; None also for documents of earlier versions, and of what was not observed."""
    part = plan.optional_child("lost")
    return LostContainers(run=part.text("run"), names=tuple(part.texts("containers"))) if part else None


def _window_to_document(window: EngineWindow | None) -> Document | None:
    if window is None:
        return None
    return {
        "text": window.text,
        "opens_at": format_utc(window.opens_at) if window.opens_at else None,
        "closes_at": format_utc(window.closes_at) if window.closes_at else None,
    }


def _window_from_document(part: JsonReader | None) -> EngineWindow | None:
    if part is None:
        return None
    return EngineWindow(
        text=part.text("text"), opens_at=part.optional_time("opens_at"), closes_at=part.optional_time("closes_at")
    )


def _held_fix_to_document(one: HeldFix) -> Document:
    return {
        "package": one.package,
        "to": one.version,
        "since": format_utc(one.since),
        "route": one.route.value,
        **_downtime_to_document(one.downtime),
    }


def _steps_from_document(names: list[str]) -> tuple[EngineStep, ...]:
    try:
        return tuple(EngineStep(name) for name in names)
    except ValueError as error:
        raise RecordError(f"order: {error}") from error


def _downtime_to_document(downtime: Downtime | None) -> Document:
    if downtime is None:
        return {"expected_s": None, "basis": []}
    return {"expected_s": [downtime.low_s, downtime.high_s], "basis": list(downtime.basis)}


def _downtime_from_document(part: JsonReader) -> Downtime | None:
    expected = part.optional_range("expected_s")
    return expected and Downtime(low_s=expected[0], high_s=expected[1], basis=tuple(part.texts("basis")))


def _container_to_document(one: ContainerForecast) -> Document:
    return {
        "id": one.id,
        "name": redact(one.name),
        "state": one.state,
        "policy": one.policy,
        "will": one.will.value,
        "downtime_s": [one.low_s, one.high_s],
    }


def _container_from_document(part: JsonReader) -> ContainerForecast:
    low, high = part.optional_range("downtime_s") or (0.0, 0.0)
    return ContainerForecast(
        id=part.text("id"),
        name=part.text("name"),
        state=part.text("state"),
        policy=part.text("policy"),
        will=enum_from_document(part, "will", Fate),
        low_s=low,
        high_s=high,
    )
