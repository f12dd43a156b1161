"""`explain`: why one package is upgraded or not, or what fixes a CVE. Changes and records nothing."""

from agent.core.exposure import Exposure
from agent.core.model.scope import Scope
from agent.core.packages.explain import Conclusion, Explanation, explain_package
from agent.core.packages.explain_cve import CveConclusion, CveExplanation, cve_id, explain_cve, held_in, looks_like_cve
from agent.core.unattended_upgrades.model import Patcher
from agent.core.unattended_upgrades.overdue import keeps_back
from agent.errors import ExitCode, UsageError
from agent.report.held_fixes import fix_wording
from agent.state.documents.cve_explanation import cve_explanation_to_document
from agent.state.documents.explanation import explanation_to_document
from agent.worker.context import JobContext
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.steps.daily_job import recorded_patcher
from agent.worker.steps.exposure import observe_exposure
from agent.worker.steps.observe import observe
from agent.worker.steps.plan import decide

_EXIT_CODES = {
    Conclusion.WOULD_INSTALL: ExitCode.ATTENTION,
    Conclusion.HELD: ExitCode.ATTENTION,
    Conclusion.NO_SECURITY_UPDATE: ExitCode.OK,
    Conclusion.NOT_INSTALLED: ExitCode.OK,
    Conclusion.UNFINISHED: ExitCode.ATTENTION,
    Conclusion.ESM_ONLY: ExitCode.OK,
    Conclusion.UNKNOWN: ExitCode.STALE,
    CveConclusion.PENDING: ExitCode.ATTENTION,
    CveConclusion.HELD: ExitCode.ATTENTION,
    CveConclusion.AVAILABLE: ExitCode.ATTENTION,
    CveConclusion.FIXED: ExitCode.OK,
    CveConclusion.UNKNOWN: ExitCode.STALE,
}


def run(request: JobRequest, context: JobContext) -> JobAnswer:
    """Explain the requested package or CVE.

    Raises:
        UsageError: apt knows no package of that name, or there can be no CVE of that id.
        HostError: the machine cannot be observed.
    """
    if looks_like_cve(request.package):
        about = explain_one_cve(context, request.package)
        document = cve_explanation_to_document(about, context.machine.now())
        document["patcher"] = recorded_patcher(context.record.store) or None
        return JobAnswer(exit_code=_EXIT_CODES[about.conclusion], document=document)
    explanation, exposure = explain(context, request.package)
    document = explanation_to_document(
        explanation,
        context.machine.now(),
        context.record.findings(),
        wording=fix_wording(context.record.held_fixes()),
        exposure=exposure,
    )
    patcher = recorded_patcher(context.record.store)
    is_theirs = patcher == Patcher.UNATTENDED_UPGRADES.value
    document["patcher"] = patcher or None
    document["blacklisted"] = is_theirs and keeps_back(context.daily_job.look(), explanation.package)
    return JobAnswer(exit_code=_EXIT_CODES[explanation.conclusion], document=document)


def explain_one_cve(context: JobContext, name: str) -> CveExplanation:
    """Observe, decide, and return which updates fix a CVE and which installed versions have.

    Raises:
        UsageError: it is not the id of a CVE.
        HostError: the machine cannot be observed.
    """
    cve = cve_id(name)
    if cve is None:
        raise UsageError(f"{name[:40]!r} is not the id of a CVE, such as CVE-2024-12345")
    observation = observe(context, context.record.load_refresh())
    plan = decide(context, Scope.SECURITY, observation)
    installed = context.engine.installed_fixes(cve)
    found = explain_cve(cve, plan, context.record.findings(), installed, observation.facts.snoozes)
    return held_in(found, decide(context, Scope.ALL, observation)) if found.available else found


def explain(context: JobContext, name: str) -> tuple[Explanation, Exposure]:
    """Observe, decide, and return every gate of one package with its verdict, and the steps of all security fixes.

    Raises:
        UsageError: apt knows no package of that name.
        HostError: the machine cannot be observed.
    """
    observation = observe(context, context.record.load_refresh())
    known = observation.snapshot.find(name)
    if known is None:
        similar = observation.snapshot.similar(name)
        hint = f"; did you mean {' or '.join(similar)}?" if similar else ""
        raise UsageError(f"no package named {name!r} is known to apt on this machine{hint}")
    plan = decide(context, Scope.SECURITY, observation)
    is_other = any(update.id == known.id for update in plan.others)
    whole = decide(context, Scope.ALL, observation) if is_other else None
    explanation = explain_package(context.policy, observation.facts, plan, known, whole)
    return explanation, observe_exposure(context, observation.facts)
