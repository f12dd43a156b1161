"""`maestro.engine-outcome/1`, encoded and decoded side by side. Pure. Decoders raise RecordError."""

from collections.abc import Callable
from datetime import datetime

from agent.core.model.engine_outcome import (
    ContainerDowntime,
    ContainerRange,
    EngineOutcome,
    EngineResult,
    OutcomeForecast,
    Rollback,
)
from agent.core.model.engine_plan import Block, Component, EngineWhy, PackageChange
from agent.core.schemas import ENGINE_OUTCOME_SCHEMA, Document
from agent.state.documents.parts import enum_from_document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc


def engine_outcome_to_document(
    outcome: EngineOutcome, generated_at: datetime, sentence: Callable[[Block], str]
) -> Document:
    """Return `maestro.engine-outcome/1`; `sentence` gives the text of a block for people."""
    finished = outcome.finished_at
    return {
        "schema": ENGINE_OUTCOME_SCHEMA,
        "generated_at": format_utc(generated_at),
        "id": outcome.id,
        "component": outcome.component.value,
        "plan_id": outcome.plan_id or None,
        "started_at": format_utc(outcome.started_at),
        "finished_at": format_utc(finished) if finished else None,
        "result": outcome.result.value,
        "message": outcome.message,
        **({"problem": outcome.problem} if outcome.problem else {}),
        "requested_by": outcome.requested_by or None,
        "from": outcome.before,
        "to": outcome.target,
        "running": outcome.running,
        "packages": [package_change_to_document(change) for change in outcome.packages],
        "blocked": [
            {"why": block.why.value, "detail": sentence(block), "values": list(block.values)}
            for block in outcome.blocked
        ],
        "downtime": {
            "engine_s": outcome.engine_down_s,
            "containers": {one.name: one.down_s for one in outcome.containers_down},
        },
        "containers_lost": list(outcome.containers_lost),
        "containers_started": list(outcome.containers_started),
        "containers_stopped": list(outcome.containers_stopped),
        "rollback": _rollback_to_document(outcome.rollback),
        "forecast": _forecast_to_document(outcome.forecast),
    }


def engine_outcome_from_document(run: JsonReader) -> EngineOutcome:
    """Return an outcome; times are to the second."""
    downtime = run.child("downtime")
    return EngineOutcome(
        id=run.text("id"),
        component=enum_from_document(run, "component", Component),
        plan_id=run.optional_text("plan_id") or "",
        started_at=run.time("started_at"),
        finished_at=run.optional_time("finished_at"),
        result=enum_from_document(run, "result", EngineResult),
        message=run.text("message"),
        problem=run.optional_text("problem") or "",
        requested_by=run.optional_text("requested_by") or "",
        before=run.optional_text("from"),
        target=run.optional_text("to"),
        running=run.optional_text("running"),
        packages=tuple(package_change_from_document(part) for part in run.children("packages")),
        blocked=tuple(
            Block(why=enum_from_document(part, "why", EngineWhy), values=tuple(part.texts("values")))
            for part in run.children("blocked")
        ),
        engine_down_s=_optional_number(downtime, "engine_s"),
        containers_down=_containers_from_document(downtime.child("containers")),
        containers_lost=tuple(run.texts("containers_lost")),
        containers_started=tuple(run.texts("containers_started")),
        containers_stopped=tuple(run.texts("containers_stopped")),
        rollback=_rollback_from_document(run.optional_child("rollback")),
        forecast=_forecast_from_document(run.optional_child("forecast")),
    )


def package_change_to_document(change: PackageChange) -> Document:
    """Return an element of `packages`; `from` null: new, `to` null: removed."""
    return {"package": change.package, "from": change.before, "to": change.after}


def package_change_from_document(part: JsonReader) -> PackageChange:
    """Return the value of an element of `packages`."""
    return PackageChange(
        package=part.text("package"), before=part.optional_text("from"), after=part.optional_text("to")
    )


def _containers_from_document(part: JsonReader) -> tuple[ContainerDowntime, ...]:
    return tuple(ContainerDowntime(name=name, down_s=_optional_number(part, name)) for name in part.raw)


def _optional_number(part: JsonReader, key: str) -> float | None:
    return None if part.raw.get(key) is None else part.number(key)


def _rollback_to_document(rollback: Rollback | None) -> Document | None:
    return None if rollback is None else {"done": rollback.done, "reason": rollback.reason}


def _rollback_from_document(part: JsonReader | None) -> Rollback | None:
    return None if part is None else Rollback(done=part.boolean("done"), reason=part.text("reason"))


def _forecast_to_document(forecast: OutcomeForecast | None) -> Document | None:
    if forecast is None:
        return None
    return {
        "engine_s": list(forecast.engine_s) if forecast.engine_s else None,
        "containers": {one.name: [one.low_s, one.high_s] for one in forecast.containers},
        "removes": list(forecast.removes),
    }


def _forecast_from_document(part: JsonReader | None) -> OutcomeForecast | None:
    if part is None:
        return None
    ranges = part.child("containers")
    found = [(name, ranges.optional_range(name)) for name in ranges.raw]
    return OutcomeForecast(
        engine_s=part.optional_range("engine_s"),
        containers=tuple(ContainerRange(name=name, low_s=one[0], high_s=one[1]) for name, one in found if one),
        removes=tuple(part.texts("removes")),
    )
