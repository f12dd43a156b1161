"""`maestro.explain/1`. Printed only, so never decoded. Pure."""

from collections.abc import Callable
from datetime import datetime

from agent.core.exposure import NO_EXPOSURE, Exposure
from agent.core.package_label import package_label
from agent.core.packages.cves import NO_FINDINGS, Findings, VersionChange, findings_for
from agent.core.packages.explain import Explanation, GateReport
from agent.core.schemas import EXPLAIN_SCHEMA, Document
from agent.state.documents.exposure import fix_to_document
from agent.state.documents.parts import cves_to_document
from agent.state.timestamps import format_utc


def explanation_to_document(
    explanation: Explanation,
    generated_at: datetime,
    findings: Findings = NO_FINDINGS,
    *,
    wording: Callable[[GateReport, str], tuple[str, str | None]],
    exposure: Exposure = NO_EXPOSURE,
) -> Document:
    """Return `maestro.explain/1`; `findings` are the changelog findings by version change.

    `wording` returns the reason of a gate of a package, and what opens it, as text.
    """
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
        **cves_to_document(findings_for(findings, subject)),
        "exposure": [
            fix_to_document(fix)
            for fix in exposure.fixes
            if (fix.package, fix.architecture) == (explanation.package, explanation.architecture)
        ],
        "gates": [
            _gate_to_document(gate, *wording(gate, package_label(explanation.package, explanation.architecture)))
            for gate in explanation.gates
        ],
    }


def _gate_to_document(gate: GateReport, reason: str, opens: str | None) -> Document:
    return {
        "gate": gate.name,
        "verdict": gate.verdict.value,
        "reason": reason,
        "until": format_utc(gate.until) if gate.until else None,
        "opens": opens,
    }
