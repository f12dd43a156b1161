"""`maestro.plans/1`: the work of the last plans, newest first. Pure. Decoders raise RecordError."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from agent.core.model.scope import Scope
from agent.core.packages.plan_difference import PlannedWork, VersionStep
from agent.core.schemas import PLANS_SCHEMA, Document
from agent.state.documents.parts import enum_from_document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc


def plans_to_document(plans: Sequence[PlannedWork], generated_at: datetime) -> Document:
    """Return `maestro.plans/1`."""
    return {
        "schema": PLANS_SCHEMA,
        "generated_at": format_utc(generated_at),
        "plans": [_work_to_document(work) for work in plans],
    }


def plans_from_document(document: JsonReader) -> tuple[PlannedWork, ...]:
    """Return the plans, newest first."""
    return tuple(_work_from_document(part) for part in document.children("plans"))


def _work_to_document(work: PlannedWork) -> Document:
    return {
        "id": work.id,
        "scope": work.scope.value,
        "made_at": format_utc(work.made_at),
        "install": [
            {"package": name, "installed": step.installed, "candidate": step.candidate, "source": step.source}
            for name, step in work.install.items()
        ],
        "remove": _pairs(work.remove),
        "repair": _pairs(work.repair),
    }


def _work_from_document(part: JsonReader) -> PlannedWork:
    return PlannedWork(
        id=part.text("id"),
        scope=enum_from_document(part, "scope", Scope),
        made_at=part.time("made_at"),
        install={
            step.text("package"): VersionStep(
                installed=step.optional_text("installed"),
                candidate=step.text("candidate"),
                source=step.text("source"),
            )
            for step in part.children("install")
        },
        remove=_mapping(part.children("remove")),
        repair=_mapping(part.children("repair")),
    )


def _pairs(values: Mapping[str, str]) -> list[Document]:
    return [{"package": name, "value": value} for name, value in values.items()]


def _mapping(parts: Iterable[JsonReader]) -> dict[str, str]:
    return {part.text("package"): part.text("value") for part in parts}
