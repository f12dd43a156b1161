"""`maestro.explain/1`. Printed only, so never decoded. Pure."""

from collections.abc import Callable, Iterator
from datetime import datetime

from agent.core.model.facts import Reboot, Unseen
from agent.core.package_label import package_label
from agent.core.packages.cves import NO_FINDINGS, Findings, VersionChange, findings_for
from agent.core.packages.explain import Explanation, GateReport
from agent.core.schemas import EXPLAIN_SCHEMA, Document
from agent.state.documents.parts import cves_to_document, reboot_to_document
from agent.state.timestamps import format_utc

_REBOOT_VERDICT = {"required": "open", "not-required": "shut", "unknown": "unknown"}


def explanation_to_document(
    explanation: Explanation,
    generated_at: datetime,
    findings: Findings = NO_FINDINGS,
    *,
    wording: Callable[[GateReport, str], tuple[str, str | None]],
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
        "gates": [
            {"gate": gate.name, "verdict": gate.verdict.value, "reason": reason, "until": None, "opens": opens}
            for gate in explanation.gates
            for reason, opens in (wording(gate, package_label(explanation.package, explanation.architecture)),)
        ],
    }


def reboot_explanation_to_document(reboot: Reboot | Unseen, generated_at: datetime) -> Document:
    """Return `maestro.explain/1` about a reboot."""
    if isinstance(reboot, Unseen):
        conclusion, reason = "unknown", reboot.reason
    elif reboot.required:
        conclusion, reason = "required", "; ".join(_causes(reboot))
    else:
        conclusion, reason = "not-required", f"/run/reboot-required does not exist; {_kernel(reboot)}"
    owner = "the agent never reboots by itself"
    opens = "reboot by hand" if conclusion == "required" else None
    return {
        "schema": EXPLAIN_SCHEMA,
        "generated_at": format_utc(generated_at),
        "subject": "reboot",
        "conclusion": conclusion,
        "reboot": reboot_to_document(reboot),
        "gates": [
            {
                "gate": "required",
                "verdict": _REBOOT_VERDICT[conclusion],
                "reason": reason,
                "until": None,
                "opens": None,
            },
            {"gate": "owner", "verdict": "shut", "reason": owner, "until": None, "opens": opens},
        ],
    }


def _causes(reboot: Reboot) -> Iterator[str]:
    if reboot.flagged:
        names = [f"{name} (removed since)" if name in reboot.removed else name for name in reboot.flag_packages]
        unnamed = "/run/reboot-required exists; no package is named in /run/reboot-required.pkgs"
        yield f"required by {', '.join(names)} (/run/reboot-required)" if names else unnamed
    if reboot.kernel.outdated:
        yield _kernel(reboot)


def _kernel(reboot: Reboot) -> str:
    """Return how the running kernel compares with the installed ones."""
    gone = [f"; {one} is installed but its image is missing from /boot" for one in reboot.kernel.without_image]
    return "".join((_comparison(reboot), *gone))


def _comparison(reboot: Reboot) -> str:
    running, newest = reboot.kernel.running or "unknown", reboot.kernel.newest
    if reboot.host_kernel:
        return "this is a container, so the kernel is its host's"
    if newest is None:
        return f"the running kernel {running} is not from an installed package, so no newer one is known"
    if not reboot.kernel.outdated:
        return f"the running kernel {running} is the newest installed"
    newer = f"a newer build of it ({newest})" if newest == running else f"the newer {newest}"
    return f"kernel {running} is running, {newer} is installed"
