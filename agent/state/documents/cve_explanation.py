"""`maestro.explain/1` about a CVE. Printed only, so never decoded. Pure."""

from datetime import datetime

from agent.core.model.facts import Update
from agent.core.model.plan import Held, Step
from agent.core.packages.explain_cve import CveExplanation, InstalledFix
from agent.core.schemas import EXPLAIN_SCHEMA, Document
from agent.state.documents.snoozes import snooze_to_document
from agent.state.timestamps import format_utc


def cve_explanation_to_document(explanation: CveExplanation, generated_at: datetime) -> Document:
    """Return `maestro.explain/1`."""
    installed = explanation.installed
    return {
        "schema": EXPLAIN_SCHEMA,
        "generated_at": format_utc(generated_at),
        "subject": "cve",
        "cve": explanation.cve,
        "conclusion": explanation.conclusion.value,
        "fixes": [
            *(_fix(step, "pending") for step in explanation.pending),
            *(_fix(held, "held") for held in explanation.held),
            *(_fix(update, "available") for update in explanation.available),
        ],
        "fixed": [_installed(fix) for fix in installed.found],
        "snooze": snooze_to_document(explanation.snooze) if explanation.snooze else None,
        "unread": list(explanation.unread),
        "changelogs_read": installed.read,
        "changelogs_complete": installed.complete,
        "gates": [],
    }


def _fix(item: Step | Held | Update, state: str) -> Document:
    held = item if isinstance(item, Held) else None
    return {
        "package": item.package,
        "architecture": item.architecture,
        "installed": item.installed,
        "candidate": item.candidate,
        "state": state,
        "why": held.why.value if held else None,
        "detail": held.detail if held else None,
    }


def _installed(fix: InstalledFix) -> Document:
    return {
        "source": fix.source,
        "installed": fix.installed,
        "fixed_in": fix.fixed_in,
        "packages": list(fix.packages),
    }
