"""`maestro.plan/1` and `maestro.state/1`, encoded and decoded side by side. Pure."""

from collections.abc import Mapping
from datetime import datetime

from agent.core.model.facts import Unseen, Update
from agent.core.model.plan import Plan, Step
from agent.core.model.scope import Scope
from agent.core.packages.cves import (
    NO_FINDINGS,
    ChangelogFindings,
    Findings,
    VersionChange,
    findings_of,
    unlabelled_security_fixes,
)
from agent.core.reboot.services import ServiceScan
from agent.core.restart.remedy import remedy
from agent.core.schemas import PLAN_SCHEMA, STATE_SCHEMA, Document
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
    reboot_from_document,
    reboot_to_document,
    removal_from_document,
    removal_to_document,
    repairs_from_document,
    repairs_to_document,
    replaces_from_document,
    replaces_to_document,
    requested_to_document,
    source_lists_to_document,
    source_to_document,
    unused_to_document,
)
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc


def plan_to_document(plan: Plan, generated_at: datetime, findings: Findings = NO_FINDINGS) -> Document:
    """Return `maestro.plan/1`; `findings` are the changelog findings by version change."""
    return {
        "schema": PLAN_SCHEMA,
        "generated_at": format_utc(generated_at),
        "id": plan.id,
        "scope": plan.scope.value,
        **requested_to_document(plan.requested),
        **overridden_to_document(plan.overridden),
        "seen_at": format_utc(plan.seen_at),
        "lists": {**lists_to_document(plan.lists), "sources": source_lists_to_document(plan.lists)},
        "remove": [removal_to_document(removal) for removal in plan.remove],
        "kept": [removal_to_document(removal) for removal in plan.kept],
        **unused_to_document(plan.unused),
        "install": [_step_to_document(step, findings) for step in plan.install],
        "held": [held_to_document(held, findings) for held in plan.held],
        "other_updates": plan.other_updates,
        "other_held": plan.other_held,
        "hidden_security": [
            _hidden_to_document(update, found) for update, found in unlabelled_security_fixes(plan, findings)
        ],
        "esm_only": [held_to_document(held, findings) for held in plan.esm_only],
        "repair": repairs_to_document(plan.repair, journal=plan.journal),
        "reboot": reboot_to_document(plan.reboot),
        "docker": None,
        "weave": None,
    }


def plan_from_document(plan: JsonReader) -> tuple[Plan, Findings]:
    """Return a plan and the changelog findings in it.

    Of `others` the document holds only the unlabelled security fixes; the steps' groups are not in it.

    Raises:
        RecordError: the document is malformed.
    """
    hidden = list(plan.optional_children("hidden_security"))
    repair, journal = repairs_from_document(plan.children("repair"))
    found = Plan(
        id=plan.text("id"),
        scope=enum_from_document(plan, "scope", Scope),
        requested=tuple(plan.optional_texts("requested") or ()),
        overridden=overridden_from_document(plan.optional_children("overridden")),
        seen_at=plan.time("seen_at"),
        lists=lists_from_document(plan.child("lists")),
        install=tuple(_step_from_document(part) for part in plan.children("install")),
        held=tuple(held_from_document(part) for part in plan.children("held")),
        repair=repair,
        journal=journal,
        reboot=reboot_from_document(plan.optional_child("reboot")),
        other_updates=int(plan.number("other_updates")),
        other_held=int(plan.number("other_held")) if "other_held" in plan.raw else 0,
        remove=tuple(removal_from_document(part) for part in plan.optional_children("remove")),
        kept=tuple(removal_from_document(part) for part in plan.optional_children("kept")),
        unused=tuple(removal_from_document(part) for part in plan.optional_children("unused")),
        others=tuple(_hidden_from_document(part) for part in hidden),
        esm_only=tuple(held_from_document(part) for part in plan.optional_children("esm_only")),
    )
    findings: dict[VersionChange, ChangelogFindings | None] = {
        **findings_from_document(found.install, list(plan.children("install"))),
        **findings_from_document(found.held, list(plan.children("held"))),
    }
    for update, part in zip(found.others, hidden, strict=True):
        findings[_subject(update)] = _hidden_findings(part)
    return found, findings


def state_to_document(
    plan: Plan,
    now: datetime,
    *,
    fresh_until: datetime,
    scan: ServiceScan,
    findings: Findings,
    engines: Mapping[str, Document | None] | None = None,
) -> Document:
    """Return `maestro.state/1`: a check's plan, what ran meanwhile, and in which boot.

    `engines` has `maestro.engine-plan/1` by component.
    """
    found = engines or {}
    return {
        "schema": STATE_SCHEMA,
        "generated_at": format_utc(now),
        "fresh_until": format_utc(fresh_until),
        **scan_to_document(scan),
        "docker": found.get("docker"),
        "weave": found.get("weave"),
        "plan": plan_to_document(plan, now, findings),
    }


def scan_to_document(scan: ServiceScan) -> Document:
    """Return the part of `maestro.state/1` that is valid for one boot only; `agent.state.views` reads it."""
    users = [{"unit": unit, "user": user} for unit, user in scan.users]
    restarts = [
        {"unit": one.unit, "action": one.action.value, "why": one.why.value if one.why else None, "remedy": remedy(one)}
        for one in scan.restarts
    ]
    failed = [{"unit": one.unit, "active_state": one.active_state or None} for one in scan.failed_restarts]
    return {
        "boot_id": scan.boot_id,
        "soft_reboots": scan.soft_reboots,
        "services": None
        if isinstance(scan.replaced, Unseen)
        else {"deleted_files": list(scan.replaced), "sessions": users, "restarts": restarts},
        "failed_restarts": failed,
    }


def _step_to_document(step: Step, findings: Findings) -> Document:
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
        **source_to_document(step),
        **replaces_to_document(step),
        **cves_to_document(findings_of(findings, step)),
    }


def _step_from_document(part: JsonReader) -> Step:
    return Step(
        package=part.text("package"),
        architecture=part.text("architecture"),
        installed=part.optional_text("installed"),
        candidate=part.text("candidate"),
        origin=part.text("origin"),
        archive=part.text("archive"),
        security=part.boolean("security"),
        download_bytes=int(part.number("download_bytes")),
        source=part.optional_text("source") or "",
        replaces=replaces_from_document(part),
    )


def _hidden_to_document(update: Update, found: ChangelogFindings) -> Document:
    return {
        "package": update.package,
        "architecture": update.architecture,
        "installed": update.installed,
        "candidate": update.candidate,
        "origin": update.origin,
        "archive": update.archive,
        **source_to_document(update),
        "security_upload": found.security_upload,
        **cves_to_document(found),
    }


def _hidden_from_document(part: JsonReader) -> Update:
    return Update(
        package=part.text("package"),
        architecture=part.text("architecture"),
        installed=part.text("installed"),
        candidate=part.text("candidate"),
        origin=part.text("origin"),
        archive=part.text("archive"),
        security=False,
        download_bytes=0,
        source=part.optional_text("source") or "",
    )


def _subject(update: Update) -> VersionChange:
    return VersionChange(
        package=update.package,
        architecture=update.architecture,
        installed=update.installed,
        candidate=update.candidate,
    )


def _hidden_findings(part: JsonReader) -> ChangelogFindings:
    return ChangelogFindings(
        cves=tuple(part.texts("cves")),
        security_upload=part.boolean("security_upload"),
        complete=part.boolean("cves_complete"),
    )
