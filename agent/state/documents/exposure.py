"""`maestro.exposure/1`, which only the agent reads, and its summary in `maestro.state/1`. Pure."""

from collections.abc import Sequence
from datetime import datetime

from agent.core.exposure import Exposure, Fix, FixStage
from agent.core.schemas import EXPOSURE_SCHEMA, Document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc

MOST_SHOWN = 10
"""Fixes of each step in the summary: `status` reads it each time, and the report has it."""


def exposure_to_document(exposure: Exposure, generated_at: datetime) -> Document:
    """Return `maestro.exposure/1`."""
    return {
        "schema": EXPOSURE_SCHEMA,
        "generated_at": format_utc(generated_at),
        "fixes": [fix_to_document(fix) for fix in exposure.fixes],
    }


def exposure_from_document(document: JsonReader) -> Exposure:
    """Return the fixes.

    Raises:
        RecordError: the document is malformed.
    """
    return Exposure(fixes=tuple(_fix_from_document(part) for part in document.children("fixes")))


def exposure_summary(exposure: Exposure) -> Document:
    """Return the `exposure` of `maestro.state/1`: how many fixes are at each step, and the oldest of each."""
    inactive = exposure.inactive
    pending = [fix for fix in inactive if fix.stage is FixStage.PENDING]
    installed = [fix for fix in inactive if fix.stage is FixStage.INSTALLED]
    return {
        "pending": len(pending),
        "installed": len(installed),
        "fixes": [fix_to_document(fix) for fix in _oldest(pending, installed)],
    }


def fix_to_document(fix: Fix) -> Document:
    """Return an element of `fixes`."""
    waits_for = fix.waits_for
    return {
        "package": fix.package,
        "architecture": fix.architecture,
        "source": fix.source,
        "version": fix.version,
        "stage": fix.stage.value,
        "pending_since": format_utc(fix.pending_since),
        "installed_at": format_utc(fix.installed_at) if fix.installed_at else None,
        "active_at": format_utc(fix.active_at) if fix.active_at else None,
        "waits_for": waits_for.value if waits_for else None,
        "units": list(fix.units),
        "needs_reboot": fix.needs_reboot,
    }


def _oldest(pending: Sequence[Fix], installed: Sequence[Fix]) -> list[Fix]:
    found = [*pending[:MOST_SHOWN], *installed[:MOST_SHOWN]]
    return sorted(found, key=lambda fix: (fix.pending_since, fix.id))


def _fix_from_document(part: JsonReader) -> Fix:
    return Fix(
        package=part.text("package"),
        architecture=part.text("architecture"),
        source=part.text("source"),
        version=part.text("version"),
        pending_since=part.time("pending_since"),
        installed_at=part.optional_time("installed_at"),
        active_at=part.optional_time("active_at"),
        needs_reboot=_needs_reboot(part),
        units=tuple(part.texts("units")),
    )


def _needs_reboot(part: JsonReader) -> bool:
    """Return the field; the first documents had it only in `waits_for`."""
    found = part.optional_boolean("needs_reboot")
    return part.optional_text("waits_for") == "reboot" if found is None else found
