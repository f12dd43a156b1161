"""`maestro.reboot/1`, `maestro.reboot-schedule/1` and `maestro.skipped-opening/1`: encoders beside decoders. Pure.

Decoders raise RecordError.
"""

from datetime import datetime

from agent.core.job_kinds import JobOption
from agent.core.reboot.gates import RebootOrigin
from agent.core.reboot.model import RebootCourse, RebootPhase, RebootSchedule
from agent.core.schemas import REBOOT_SCHEDULE_SCHEMA, REBOOT_SCHEMA, SKIPPED_OPENING_SCHEMA, Document
from agent.core.windows import Opening
from agent.errors import RecordError
from agent.state.documents.parts import enum_from_document
from agent.state.documents.reboot_outcome import (
    boot_from_document,
    boot_to_document,
    gate_from_document,
    gate_to_document,
)
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc

_OPTIONS = (
    JobOption.IF_REQUIRED,
    JobOption.DESPITE_LAST_RUN,
    JobOption.DESPITE_SESSIONS,
    JobOption.DESPITE_SCHEDULED,
    JobOption.DESPITE_LOCK,
)
"""What a scheduled reboot may ask for or allow."""


def course_to_document(course: RebootCourse, generated_at: datetime) -> Document:
    """Return `maestro.reboot/1`."""
    return {
        "schema": REBOOT_SCHEMA,
        "generated_at": format_utc(generated_at),
        "run": course.run_id,
        "origin": course.origin.value,
        "phase": course.phase.value,
        "entered_at": format_utc(course.entered_at),
        "boot": boot_to_document(course.boot),
        "hooked": course.hooked,
        "locked": course.locked,
        "failed_units": list(course.failed_units) if course.failed_units is not None else None,
        "blocked": gate_to_document(course.blocked) if course.blocked else None,
        "warned_at": _time(course.warned_at),
        "retry_at": _time(course.retry_at),
        "shutdown_at": _time(course.shutdown_at),
    }


def course_from_document(part: JsonReader) -> RebootCourse:
    """Return the course of a reboot."""
    blocked, failed = part.optional_child("blocked"), part.optional_texts("failed_units")
    return RebootCourse(
        run_id=part.text("run"),
        origin=enum_from_document(part, "origin", RebootOrigin),
        phase=enum_from_document(part, "phase", RebootPhase),
        entered_at=part.time("entered_at"),
        boot=boot_from_document(part.child("boot")),
        hooked=part.boolean("hooked"),
        locked=part.boolean("locked"),
        failed_units=tuple(failed) if failed is not None else None,
        blocked=gate_from_document(blocked) if blocked else None,
        warned_at=part.optional_time("warned_at"),
        retry_at=part.optional_time("retry_at"),
        shutdown_at=part.optional_time("shutdown_at"),
    )


def schedule_to_document(schedule: RebootSchedule, generated_at: datetime) -> Document:
    """Return `maestro.reboot-schedule/1`."""
    return {
        "schema": REBOOT_SCHEDULE_SCHEMA,
        "generated_at": format_utc(generated_at),
        "at": format_utc(schedule.at),
        "until": format_utc(schedule.until),
        "created_at": format_utc(schedule.created_at),
        "requested_by": schedule.requested_by or None,
        "options": sorted(option.value for option in schedule.options),
        "comment": schedule.comment or None,
    }


def schedule_from_document(part: JsonReader) -> RebootSchedule:
    """Return a scheduled reboot.

    One that is due before it was made is refused: it would not end with its reboot (`RebootOutcome.was_for`).
    """
    created_at, at, until = part.time("created_at"), part.time("at"), part.time("until")
    if not created_at <= at <= until:
        raise RecordError("created_at, at and until: not in this order")
    return RebootSchedule(
        at=at,
        until=until,
        created_at=created_at,
        requested_by=part.optional_text("requested_by") or "",
        options=frozenset(map(_option, part.texts("options"))),
        comment=part.optional_text("comment") or "",
    )


def skipped_to_document(opening: Opening, generated_at: datetime) -> Document:
    """Return `maestro.skipped-opening/1`."""
    return {
        "schema": SKIPPED_OPENING_SCHEMA,
        "generated_at": format_utc(generated_at),
        "start": format_utc(opening.start),
        "end": format_utc(opening.end),
    }


def skipped_from_document(part: JsonReader) -> Opening:
    """Return the opening in which no reboot by the policy is tried any more."""
    return Opening(start=part.time("start"), end=part.time("end"))


def _option(name: str) -> JobOption:
    found = next((option for option in _OPTIONS if option.value == name), None)
    if found is None:
        raise RecordError(f"options: {name!r} is not an option of a scheduled reboot")
    return found


def _time(moment: datetime | None) -> str | None:
    return format_utc(moment) if moment else None
