"""`maestro.provision/1` and its part of `maestro.outcome/1`, encoded and decoded side by side. Pure.

Decoders raise RecordError.
"""

from datetime import datetime

from agent.core.model.outcome import ForeignChange, ProvisionNote, ProvisionPhase
from agent.core.provision.model import Provision
from agent.core.schemas import PROVISION_SCHEMA, Document
from agent.state.documents.parts import enum_from_document, package_from_text
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc


def provision_to_document(provision: Provision, generated_at: datetime) -> Document:
    """Return `maestro.provision/1`."""
    return {
        "schema": PROVISION_SCHEMA,
        "generated_at": format_utc(generated_at),
        "machine": provision.machine,
        "phase": provision.phase.value,
        "started_at": format_utc(provision.started_at),
        "entered_at": format_utc(provision.entered_at),
        "done_at": format_utc(provision.entered_at) if provision.done else None,
        "version": provision.version,
        "requested_by": provision.requested_by or None,
        "reboot": provision.reboot,
        "rebooted": provision.rebooted,
        "boot_id": provision.boot_id,
        "before": [_change_to_document(change) for change in provision.before],
        "runs": list(provision.runs),
        "result": provision.result or None,
    }


def provision_from_document(part: JsonReader) -> Provision:
    """Return how far provisioning has come."""
    return Provision(
        machine=part.text("machine"),
        phase=enum_from_document(part, "phase", ProvisionPhase),
        started_at=part.time("started_at"),
        entered_at=part.time("entered_at"),
        version=part.text("version"),
        requested_by=part.optional_text("requested_by") or "",
        reboot=part.boolean("reboot"),
        rebooted=part.boolean("rebooted"),
        boot_id=part.optional_text("boot_id"),
        before=tuple(_change_from_document(change) for change in part.optional_children("before")),
        runs=tuple(part.texts("runs")),
        result=part.optional_text("result") or "",
    )


def note_to_document(note: ProvisionNote) -> Document:
    """Return the field of a run that belongs to provisioning."""
    return {
        "phase": note.phase.value,
        "started_at": format_utc(note.started_at),
        "done_at": format_utc(note.done_at) if note.done_at else None,
        "rebooted": note.rebooted,
        **({"before": [_change_to_document(change) for change in note.before]} if note.before else {}),
    }


def note_from_document(part: JsonReader | None) -> ProvisionNote | None:
    """Return how far provisioning had come after a run; None: it does not belong to provisioning."""
    if part is None:
        return None
    return ProvisionNote(
        phase=enum_from_document(part, "phase", ProvisionPhase),
        started_at=part.time("started_at"),
        done_at=part.optional_time("done_at"),
        rebooted=part.boolean("rebooted"),
        before=tuple(_change_from_document(change) for change in part.optional_children("before")),
    )


def _change_to_document(change: ForeignChange) -> Document:
    return {
        "by": change.by,
        "at": format_utc(change.at),
        "installed": change.installed,
        "upgraded": change.upgraded,
        "removed": list(map(str, change.removed)),
    }


def _change_from_document(part: JsonReader) -> ForeignChange:
    return ForeignChange(
        by=part.text("by"),
        at=part.time("at"),
        installed=int(part.number("installed")),
        upgraded=int(part.number("upgraded")),
        removed=tuple(map(package_from_text, part.texts("removed"))),
    )
