"""`maestro.reboot-outcome/1`, encoded and decoded side by side. Pure. Decoders raise RecordError."""

from datetime import datetime

from agent.core.reboot.gates import GateState, RebootGate, RebootOrigin, RebootWhy, Verdict
from agent.core.reboot.model import (
    BootIdentity,
    LockUse,
    RebootOutcome,
    RebootProblem,
    RebootReason,
    RebootResult,
    RebootTrouble,
)
from agent.core.schemas import REBOOT_OUTCOME_SCHEMA, Document
from agent.errors import RecordError
from agent.state.documents.parts import enum_from_document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc


def reboot_outcome_to_document(outcome: RebootOutcome, generated_at: datetime) -> Document:
    """Return `maestro.reboot-outcome/1`."""
    return {
        "schema": REBOOT_OUTCOME_SCHEMA,
        "generated_at": format_utc(generated_at),
        "id": outcome.id,
        "started_at": format_utc(outcome.started_at),
        "finished_at": _time(outcome.finished_at),
        "result": outcome.result.value,
        "message": outcome.message,
        "requested_by": outcome.requested_by or None,
        "origin": outcome.origin.value,
        "if_required": outcome.if_required,
        "despite": [gate.value for gate in outcome.despite],
        "reason": _reason_to_document(outcome.reason),
        "gates": [gate_to_document(state) for state in outcome.gates],
        "blocked": gate_to_document(outcome.blocked) if outcome.blocked else None,
        "rebooted": outcome.rebooted,
        "boot_before": boot_to_document(outcome.boot_before) if outcome.boot_before else None,
        "boot_after": boot_to_document(outcome.boot_after) if outcome.boot_after else None,
        "kernel_before": outcome.kernel_before,
        "kernel_expected": outcome.kernel_expected,
        "kernel_after": outcome.kernel_after,
        "fired_at": _time(outcome.fired_at),
        "back_at": _time(outcome.back_at),
        "downtime_s": outcome.downtime_s,
        "problems": [{"code": one.code.value, "detail": one.detail} for one in outcome.problems],
        "lock": outcome.lock.value,
    }


def reboot_outcome_from_document(run: JsonReader) -> RebootOutcome:
    """Return an outcome; times are to the second."""
    reason, blocked = run.optional_child("reason"), run.optional_child("blocked")
    before, after = run.optional_child("boot_before"), run.optional_child("boot_after")
    return RebootOutcome(
        id=run.text("id"),
        started_at=run.time("started_at"),
        finished_at=run.optional_time("finished_at"),
        result=enum_from_document(run, "result", RebootResult),
        message=run.text("message"),
        requested_by=run.optional_text("requested_by") or "",
        origin=enum_from_document(run, "origin", RebootOrigin),
        if_required=run.boolean("if_required"),
        despite=tuple(_gate(name) for name in run.texts("despite")),
        reason=_reason_from_document(reason) if reason else None,
        gates=tuple(gate_from_document(part) for part in run.children("gates")),
        blocked=gate_from_document(blocked) if blocked else None,
        boot_before=boot_from_document(before) if before else None,
        boot_after=boot_from_document(after) if after else None,
        kernel_before=run.optional_text("kernel_before"),
        kernel_expected=run.optional_text("kernel_expected"),
        kernel_after=run.optional_text("kernel_after"),
        fired_at=run.optional_time("fired_at"),
        back_at=run.optional_time("back_at"),
        problems=tuple(
            RebootProblem(code=enum_from_document(part, "code", RebootTrouble), detail=part.text("detail"))
            for part in run.children("problems")
        ),
        lock=enum_from_document(run, "lock", LockUse),
    )


def gate_to_document(state: GateState) -> Document:
    """Return an element of `gates`."""
    return {
        "gate": state.gate.value,
        "verdict": state.verdict.value,
        "why": state.why.value if state.why else None,
        "detail": state.detail,
        "until": _time(state.until),
        "retry": state.retry,
        "passed": state.passed,
    }


def gate_from_document(part: JsonReader) -> GateState:
    """Return an element of `gates`."""
    return GateState(
        gate=enum_from_document(part, "gate", RebootGate),
        verdict=enum_from_document(part, "verdict", Verdict),
        why=enum_from_document(part, "why", RebootWhy) if part.optional_text("why") else None,
        detail=part.text("detail"),
        until=part.optional_time("until"),
        retry=part.boolean("retry"),
        passed=part.boolean("passed"),
    )


def boot_to_document(boot: BootIdentity) -> Document:
    """Return the identity of a boot."""
    return {"boot_id": boot.boot_id, "soft_reboots": boot.soft_reboots}


def boot_from_document(part: JsonReader) -> BootIdentity:
    """Return the identity of a boot."""
    return BootIdentity(boot_id=part.text("boot_id"), soft_reboots=int(part.number("soft_reboots")))


def _gate(name: str) -> RebootGate:
    try:
        return RebootGate(name)
    except ValueError as error:
        raise RecordError(f"despite: {name!r} is not a gate") from error


def _reason_to_document(reason: RebootReason | None) -> Document | None:
    if reason is None:
        return None
    return {"required": reason.required, "packages": list(reason.packages), "since": _time(reason.since)}


def _reason_from_document(part: JsonReader) -> RebootReason:
    return RebootReason(
        required=part.boolean("required"), packages=tuple(part.texts("packages")), since=part.optional_time("since")
    )


def _time(moment: datetime | None) -> str | None:
    return format_utc(moment) if moment else None
