"""`maestro.restart-outcome/1`, encoded and decoded side by side. Pure. Decoders raise RecordError."""

from collections.abc import Callable
from datetime import datetime

from agent.core.restart.model import LeftWhy, RestartAction, RestartOutcome, RestartResult, RestartUnit, UnitResult
from agent.core.schemas import RESTART_OUTCOME_SCHEMA, Document
from agent.errors import RecordError
from agent.state.documents.parts import enum_from_document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc


def restart_outcome_to_document(
    outcome: RestartOutcome, generated_at: datetime, sentence: Callable[[RestartUnit], str]
) -> Document:
    """Return `maestro.restart-outcome/1`; `sentence` gives the `detail` of a unit for people."""
    finished = outcome.finished_at
    return {
        "schema": RESTART_OUTCOME_SCHEMA,
        "generated_at": format_utc(generated_at),
        "id": outcome.id or None,
        "started_at": format_utc(outcome.started_at),
        "finished_at": format_utc(finished) if finished else None,
        "result": outcome.result.value,
        "message": outcome.message,
        "requested_by": outcome.requested_by or None,
        "units": [_unit_to_document(unit, sentence(unit)) for unit in outcome.units],
        "remaining": list(outcome.remaining) if outcome.remaining is not None else None,
    }


def restart_outcome_from_document(run: JsonReader) -> RestartOutcome:
    """Return an outcome; times are to the second, and the `detail` of a unit is the sentence for people."""
    remaining = run.optional_texts("remaining")
    return RestartOutcome(
        id=run.optional_text("id") or "",
        started_at=run.time("started_at"),
        finished_at=run.optional_time("finished_at"),
        result=enum_from_document(run, "result", RestartResult),
        message=run.text("message"),
        requested_by=run.optional_text("requested_by") or "",
        units=tuple(_unit_from_document(part) for part in run.children("units")),
        remaining=tuple(remaining) if remaining is not None else None,
    )


def _unit_to_document(unit: RestartUnit, sentence: str) -> Document:
    return {
        "unit": unit.unit,
        "action": unit.action.value,
        "result": unit.result.value,
        "why": unit.why.value if unit.why else None,
        "values": list(unit.values),
        "detail": sentence,
        "restarts_with": list(unit.restarts_with),
        "active_state": unit.active_state or None,
        "unit_result": unit.unit_result or None,
        "duration_s": unit.duration_s,
    }


def _unit_from_document(part: JsonReader) -> RestartUnit:
    why = part.optional_text("why")
    try:
        reason = LeftWhy(why) if why is not None else None
    except ValueError as error:
        raise RecordError(f"units: why: {error}") from error
    return RestartUnit(
        unit=part.text("unit"),
        action=enum_from_document(part, "action", RestartAction),
        result=enum_from_document(part, "result", UnitResult),
        why=reason,
        values=tuple(part.texts("values")),
        detail=part.text("detail"),
        restarts_with=tuple(part.texts("restarts_with")),
        active_state=part.optional_text("active_state") or "",
        unit_result=part.optional_text("unit_result") or "",
        duration_s=None if part.raw.get("duration_s") is None else part.number("duration_s"),
    )
