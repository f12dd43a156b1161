"""`maestro.outcome/1`, encoded and decoded side by side. Pure."""

from datetime import datetime, timedelta

from agent.core.frozen import replace
from agent.core.model.facts import Lists
from agent.core.model.kernels import Removal
from agent.core.model.outcome import Failure, LockWait, Outcome, Result, Stage, Underway, Undo
from agent.core.model.package import PackageId
from agent.core.model.plan import Step
from agent.core.model.scope import Scope
from agent.core.packages.cves import NO_FINDINGS, Findings, findings_of
from agent.core.restart.never import restart_command
from agent.core.schemas import OUTCOME_SCHEMA, Document
from agent.state.documents.parts import (
    cves_to_document,
    enum_from_document,
    findings_from_document,
    held_from_document,
    held_to_document,
    lists_from_document,
    lists_to_document,
    overridden_from_document,
    overridden_to_document,
    package_from_text,
    reboot_from_document,
    reboot_to_document,
    removal_from_document,
    removal_to_document,
    repair_from_document,
    repair_to_document,
    repairs_from_document,
    repairs_to_document,
    replaces_from_document,
    replaces_to_document,
    requested_to_document,
    source_to_document,
    unused_to_document,
)
from agent.state.documents.provision import note_from_document, note_to_document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc, seconds_between


def outcome_to_document(outcome: Outcome, generated_at: datetime, findings: Findings = NO_FINDINGS) -> Document:
    """Return `maestro.outcome/1`; `findings` are the changelog findings by version change."""
    finished = outcome.finished_at
    return {
        "schema": OUTCOME_SCHEMA,
        "generated_at": format_utc(generated_at),
        "id": outcome.id,
        "scope": outcome.scope.value,
        **requested_to_document(outcome.requested),
        **overridden_to_document(outcome.overridden),
        "started_at": format_utc(outcome.started_at),
        "finished_at": format_utc(finished) if finished else None,
        "result": outcome.result.value,
        "message": outcome.message,
        **({"problem": outcome.problem} if outcome.problem else {}),
        **({"log": outcome.log} if outcome.log else {}),
        **({"undo": _undo_to_document(outcome.undo)} if outcome.undo else {}),
        **_restart_to_document(outcome.restart),
        **({"requested_by": outcome.requested_by} if outcome.requested_by else {}),
        **({"provision": note_to_document(outcome.provision)} if outcome.provision else {}),
        "upgraded": [_change_to_document(step, findings) for step in outcome.upgraded if not step.new],
        "new": [_change_to_document(step, findings) for step in outcome.upgraded if step.new],
        "underway": [_change_to_document(step, findings) for step in outcome.underway.steps],
        **_underway_to_document(outcome.underway),
        "removed": sorted(map(str, (*outcome.removed, *(removal.id for removal in _planned_removals(outcome))))),
        "superseded": [removal_to_document(removal) for removal in outcome.removed_kernels],
        **unused_to_document(outcome.removed_unused),
        "held": [held_to_document(held, findings) for held in outcome.held],
        "failed": [_failure_to_document(failure) for failure in outcome.failed],
        "repaired": repairs_to_document(outcome.repaired, journal=outcome.journal_merged),
        "conffiles_kept": list(outcome.conffiles_kept),
        "reboot": reboot_to_document(outcome.reboot),
        "lists": lists_to_document(outcome.lists) if outcome.lists else None,
        "lock": {"waited_s": outcome.lock.waited_s, "held_s": outcome.lock.held_s, "by": outcome.lock.by},
        "downloaded_bytes": outcome.downloaded_bytes,
        "duration_s": _rounded(seconds_between(outcome.started_at, finished)),
    }


def outcome_from_document(run: JsonReader) -> tuple[Outcome, Findings]:
    """Return an outcome and the changelog findings in it; both together encode to the same document again.

    Times are to the second, with a fraction only where `duration_s` implies one. Of steps the document holds neither
    `security` nor `download_bytes`: they are True and 0.

    Raises:
        RecordError: the document is malformed.
    """
    started_at, finished_at = _times_from_document(run)
    removed, removed_kernels, removed_unused = _removed_from_document(run)
    repaired, journal_merged = repairs_from_document(run.children("repaired"))
    outcome = Outcome(
        id=run.text("id"),
        scope=enum_from_document(run, "scope", Scope),
        started_at=started_at,
        finished_at=finished_at,
        result=enum_from_document(run, "result", Result),
        upgraded=tuple(_change_from_document(part) for key in ("upgraded", "new") for part in run.children(key)),
        underway=_underway_from_document(run),
        removed=removed,
        removed_kernels=removed_kernels,
        removed_unused=removed_unused,
        held=tuple(held_from_document(part) for part in run.children("held")),
        failed=tuple(_failure_from_document(part) for part in run.children("failed")),
        repaired=repaired,
        journal_merged=journal_merged,
        conffiles_kept=tuple(run.texts("conffiles_kept")),
        reboot=reboot_from_document(run.optional_child("reboot")),
        lists=_lists_from_document(run.optional_child("lists")),
        lock=_lock_from_document(run.child("lock")),
        downloaded_bytes=int(run.number("downloaded_bytes")),
        message=run.text("message"),
    )
    return _with_later_fields(outcome, run), _findings(outcome, run)


def _with_later_fields(outcome: Outcome, run: JsonReader) -> Outcome:
    """Add the fields that documents of earlier versions do not have."""
    return replace(
        outcome,
        requested=tuple(run.optional_texts("requested") or ()),
        overridden=overridden_from_document(run.optional_children("overridden")),
        log=run.optional_text("log") or "",
        undo=_undo_from_document(run.optional_child("undo")),
        restart=_restart_from_document(run),
        problem=run.optional_text("problem") or "",
        requested_by=run.optional_text("requested_by") or "",
        provision=note_from_document(run.optional_child("provision")),
    )


def _underway_to_document(underway: Underway) -> Document:
    """Return the fields of the removals and repairs in progress; absent if there are none."""
    found = {
        "underway_superseded": [removal_to_document(removal) for removal in underway.kernels],
        "underway_unused": [removal_to_document(removal) for removal in underway.unused],
        "underway_repairs": [repair_to_document(item) for item in underway.repairs],
    }
    return {key: items for key, items in found.items() if items}


def _underway_from_document(run: JsonReader) -> Underway:
    return Underway(
        steps=tuple(_change_from_document(part) for part in run.optional_children("underway")),
        kernels=tuple(removal_from_document(part) for part in run.optional_children("underway_superseded")),
        unused=tuple(removal_from_document(part) for part in run.optional_children("underway_unused")),
        repairs=tuple(repair_from_document(part) for part in run.optional_children("underway_repairs")),
    )


def _planned_removals(outcome: Outcome) -> tuple[Removal, ...]:
    return (*outcome.removed_kernels, *outcome.removed_unused)


def _removed_from_document(
    run: JsonReader,
) -> tuple[tuple[PackageId, ...], tuple[Removal, ...], tuple[Removal, ...]]:
    """Return the removed packages that no plan named, the obsolete kernels, and the packages that became unneeded."""
    kernels = tuple(removal_from_document(part) for part in run.optional_children("superseded"))
    unused = tuple(removal_from_document(part) for part in run.optional_children("unused"))
    planned = {removal.id for removal in (*kernels, *unused)}
    others = (package for package in map(package_from_text, run.texts("removed")) if package not in planned)
    return tuple(others), kernels, unused


def _lists_from_document(part: JsonReader | None) -> Lists | None:
    return lists_from_document(part) if part is not None else None


def _lock_from_document(part: JsonReader) -> LockWait:
    return LockWait(waited_s=part.number("waited_s"), held_s=part.number("held_s"), by=part.optional_text("by"))


def _undo_to_document(undo: Undo) -> Document:
    return {"command": undo.command or None, "obstacle": undo.obstacle or None}


def _undo_from_document(part: JsonReader | None) -> Undo | None:
    if part is None:
        return None
    return Undo(command=part.optional_text("command") or "", obstacle=part.optional_text("obstacle") or "")


def _restart_to_document(units: tuple[str, ...] | None) -> Document:
    """Return the field about units that still run replaced files; absent if that is not known."""
    if units is None:
        return {}
    return {"restart": [{"unit": unit, "command": restart_command(unit)} for unit in units]}


def _restart_from_document(run: JsonReader) -> tuple[str, ...] | None:
    if run.raw.get("restart") is None:
        return None
    return tuple(part.text("unit") for part in run.children("restart"))


def _findings(outcome: Outcome, run: JsonReader) -> Findings:
    return {
        **findings_from_document(outcome.upgraded, [*run.children("upgraded"), *run.children("new")]),
        **findings_from_document(outcome.underway.steps, list(run.optional_children("underway"))),
        **findings_from_document(outcome.held, list(run.children("held"))),
    }


def _times_from_document(run: JsonReader) -> tuple[datetime, datetime | None]:
    """Return start and end, both within their recorded second, such that they are `duration_s` apart."""
    start, end = run.time("started_at"), run.optional_time("finished_at")
    if (
        end is None
        or run.raw.get("duration_s") is None
        or abs((end - start).total_seconds() - run.number("duration_s")) > 1
    ):
        return start, end
    duration = timedelta(seconds=run.number("duration_s"))
    fraction = timedelta(microseconds=999_999)
    start = min(max(start, end - duration), start + fraction)
    return start, max(end, min(start + duration, end + fraction))  # the duration is rounded to milliseconds


def _rounded(seconds: float | None) -> float | None:
    return round(seconds, 3) if seconds is not None else None


def _change_to_document(step: Step, findings: Findings) -> Document:
    return {
        "package": step.package,
        "architecture": step.architecture,
        "from": step.installed,
        "to": step.candidate,
        "origin": step.origin,
        "archive": step.archive,
        **source_to_document(step),
        **replaces_to_document(step),
        **cves_to_document(findings_of(findings, step)),
    }


def _change_from_document(part: JsonReader) -> Step:
    return Step(
        package=part.text("package"),
        architecture=part.text("architecture"),
        installed=part.optional_text("from"),
        candidate=part.text("to"),
        origin=part.text("origin"),
        archive=part.text("archive"),
        security=True,
        download_bytes=0,
        source=part.optional_text("source") or "",
        replaces=replaces_from_document(part),
    )


def _failure_to_document(failure: Failure) -> Document:
    return {
        "package": str(failure.package),
        "stage": failure.stage.value,
        "error": failure.error,
        "detail": failure.detail,
    }


def _failure_from_document(part: JsonReader) -> Failure:
    return Failure(
        package=package_from_text(part.text("package")),
        stage=enum_from_document(part, "stage", Stage),
        error=part.text("error"),
        detail=part.text("detail"),
    )
