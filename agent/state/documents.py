"""State to documents: the JSON that `--json` prints and the record keeps (docs/documents.md). Pure.

Text for people is rendered from these same documents (agent.report.text), so the two can never disagree.
"""

from datetime import datetime

from agent.core.model.facts import Lists, Reboot, Repair, Unseen, Update
from agent.core.model.kernels import KernelRemoval, RunningKernel
from agent.core.model.outcome import Failure, Outcome
from agent.core.model.plan import Held, Plan, Step
from agent.core.packages.cves import (
    NO_FINDINGS,
    ChangelogFindings,
    Findings,
    VersionChange,
    findings_for,
    findings_of,
    unlabelled_security_fixes,
)
from agent.core.packages.explain import Explanation
from agent.core.reboot.services import ServiceScan
from agent.core.schemas import EXPLAIN_SCHEMA, OUTCOME_SCHEMA, PLAN_SCHEMA, Document
from agent.state.timestamps import format_utc

_REBOOT_VERDICT = {"required": "open", "not-required": "shut", "unknown": "unknown"}


def plan_document(plan: Plan, generated_at: datetime, readings: Findings = NO_FINDINGS) -> Document:
    """Return `maestro.plan/1`; `readings` say what updates fix."""
    return {
        "schema": PLAN_SCHEMA,
        "generated_at": format_utc(generated_at),
        "id": plan.id,
        "scope": plan.scope.value,
        "seen_at": format_utc(plan.seen_at),
        "lists": lists_part(plan.lists),
        "remove": [_removal(removal) for removal in plan.remove],
        "kept": [_removal(removal) for removal in plan.kept],
        "install": [_step(step, readings) for step in plan.install],
        "held": [_held(held, readings) for held in plan.held],
        "other_updates": plan.other_updates,
        "hidden_security": [_hidden(update, found) for update, found in unlabelled_security_fixes(plan, readings)],
        "repair": [_repair(repair) for repair in plan.repair],
        "reboot": reboot_part(plan.reboot),
        "docker": None,
        "weave": None,
    }


def outcome_document(outcome: Outcome, generated_at: datetime, readings: Findings = NO_FINDINGS) -> Document:
    """Return `maestro.outcome/1`; `readings` say what updates fix."""
    finished = outcome.finished_at
    return {
        "schema": OUTCOME_SCHEMA,
        "generated_at": format_utc(generated_at),
        "id": outcome.id,
        "scope": outcome.scope.value,
        "started_at": format_utc(outcome.started_at),
        "finished_at": format_utc(finished) if finished else None,
        "result": outcome.result.value,
        "message": outcome.message,
        "upgraded": [_change(step, readings) for step in outcome.upgraded if not step.new],
        "new": [_change(step, readings) for step in outcome.upgraded if step.new],
        "underway": [_change(step, readings) for step in outcome.underway],
        "removed": sorted((*outcome.removed, *(removal.name for removal in outcome.superseded))),
        "superseded": [_removal(removal) for removal in outcome.superseded],
        "held": [_held(held, readings) for held in outcome.held],
        "failed": [_failure(failure) for failure in outcome.failed],
        "repaired": [_repair(repair) for repair in outcome.repaired],
        "conffiles_kept": list(outcome.conffiles_kept),
        "reboot": reboot_part(outcome.reboot),
        "lists": lists_part(outcome.lists) if outcome.lists else None,
        "lock": {"waited_s": outcome.lock.waited_s, "held_s": outcome.lock.held_s, "by": outcome.lock.by},
        "downloaded_bytes": outcome.downloaded_bytes,
        "duration_s": round((finished - outcome.started_at).total_seconds(), 3) if finished else None,
    }


def explanation_document(
    explanation: Explanation, generated_at: datetime, readings: Findings = NO_FINDINGS
) -> Document:
    """Return `maestro.explain/1`; `readings` say what updates fix."""
    subject = VersionChange(
        package=explanation.package,
        architecture=explanation.architecture,
        installed=explanation.installed or "",
        candidate=explanation.candidate or "",
    )
    return {
        "schema": EXPLAIN_SCHEMA,
        "generated_at": format_utc(generated_at),
        "subject": "package",
        "package": explanation.package,
        "architecture": explanation.architecture,
        "installed": explanation.installed,
        "candidate": explanation.candidate,
        "conclusion": explanation.conclusion.value,
        **_cves(findings_for(readings, subject)),
        "gates": [
            {
                "gate": gate.name,
                "verdict": gate.verdict.value,
                "reason": gate.reason,
                "until": None,
                "opens": gate.opens,
            }
            for gate in explanation.gates
        ],
    }


def reboot_explanation_document(reboot: Reboot | Unseen, generated_at: datetime) -> Document:
    """Return `maestro.explain/1` about a reboot."""
    if isinstance(reboot, Unseen):
        conclusion, reason = "unknown", reboot.reason
    elif reboot.required:
        packages = ", ".join(reboot.packages) or "a package that did not give its name"
        conclusion, reason = "required", f"asked for by {packages}"
    else:
        conclusion, reason = "not-required", "/run/reboot-required is not there"
    owner = "a reboot is never taken on its own"
    return {
        "schema": EXPLAIN_SCHEMA,
        "generated_at": format_utc(generated_at),
        "subject": "reboot",
        "conclusion": conclusion,
        "reboot": reboot_part(reboot),
        "gates": [
            {
                "gate": "required",
                "verdict": _REBOOT_VERDICT[conclusion],
                "reason": reason,
                "until": None,
                "opens": None,
            },
            {"gate": "owner", "verdict": "shut", "reason": owner, "until": None, "opens": "reboot by hand"},
        ],
    }


def watched_parts(kernel: RunningKernel, watched: ServiceScan) -> Document:
    """Return what `maestro.state/1` holds beside the plan: what ran at the look, and in which boot."""
    replaced = watched.replaced
    return {
        "boot_id": watched.boot_id,
        "kernel": {"running": kernel.running, "newest": kernel.newest, "outdated": kernel.outdated},
        "services": None if isinstance(replaced, Unseen) else {"deleted_files": list(replaced)},
    }


def lists_part(lists: Lists) -> Document:
    """Return the `lists` of a document."""
    return {
        "state": lists.state.value,
        "updated_at": format_utc(lists.updated_at) if lists.updated_at else None,
        "errors": [
            {"source": error.source, "fault": error.fault.value, "detail": error.detail, "security": error.security}
            for error in lists.errors
        ],
    }


def reboot_part(reboot: Reboot | Unseen) -> Document | None:
    """Return the `reboot` of a document; null where it could not be seen."""
    if isinstance(reboot, Unseen):
        return None
    return {
        "required": reboot.required,
        "packages": list(reboot.packages),
        "since": format_utc(reboot.since) if reboot.since else None,
    }


def _step(step: Step, readings: Findings) -> Document:
    return {
        "package": step.package,
        "architecture": step.architecture,
        "installed": step.installed,
        "candidate": step.candidate,
        "origin": step.origin,
        "archive": step.archive,
        "new": step.new,
        "security": step.security,
        "download_bytes": step.download_bytes,
        **_cves(findings_of(readings, step)),
    }


def _cves(found: ChangelogFindings | None) -> Document:
    if found is None:
        return {"cves": None, "cves_complete": None}
    return {"cves": list(found.cves), "cves_complete": found.complete}


def _hidden(update: Update, found: ChangelogFindings) -> Document:
    return {
        "package": update.package,
        "architecture": update.architecture,
        "installed": update.installed,
        "candidate": update.candidate,
        "origin": update.origin,
        "archive": update.archive,
        "security_upload": found.security_upload,
        **_cves(found),
    }


def _change(step: Step, readings: Findings) -> Document:
    return {
        "package": step.package,
        "architecture": step.architecture,
        "from": step.installed,
        "to": step.candidate,
        "origin": step.origin,
        "archive": step.archive,
        **_cves(findings_of(readings, step)),
    }


def _removal(removal: KernelRemoval) -> Document:
    return {
        "package": removal.package,
        "architecture": removal.architecture,
        "installed": removal.version,
        "reason": removal.reason,
    }


def _held(held: Held, readings: Findings) -> Document:
    return {
        "package": held.package,
        "architecture": held.architecture,
        "installed": held.installed,
        "candidate": held.candidate,
        "why": held.why.value,
        "detail": held.detail,
        **_cves(findings_of(readings, held)),
    }


def _failure(failure: Failure) -> Document:
    return {
        "package": failure.package,
        "stage": failure.stage.value,
        "error": failure.error,
        "detail": failure.detail,
    }


def _repair(repair: Repair) -> Document:
    return {"package": repair.package, "architecture": repair.architecture, "state": repair.state}
