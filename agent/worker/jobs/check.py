"""`check`: refresh the package lists, observe, decide, record the plan; then prefetch. Changes nothing else."""

from collections.abc import Sequence
from contextlib import nullcontext

from agent.core.frozen import replace
from agent.core.model.facts import ListsState
from agent.core.model.plan import Plan
from agent.core.model.scope import Scope
from agent.errors import ExitCode
from agent.host import log
from agent.host.machine.user import is_root
from agent.state.documents.plan import plan_to_document
from agent.state.job_status import REQUESTED_BY_SCHEDULE
from agent.state.record import ReadOnlyRecord, Record
from agent.worker.context import JobContext
from agent.worker.log_items import changes, held_items
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.steps import plan as planning
from agent.worker.steps import prefetch
from agent.worker.steps.cve_rules import decided_by_cves
from agent.worker.steps.daily_job import settle_after_check
from agent.worker.steps.engine_documents import engine_documents, fixes_in, with_held_fixes
from agent.worker.steps.finish_earlier import finish_earlier_jobs
from agent.worker.steps.named import as_named
from agent.worker.steps.select import select_requested


def run(request: JobRequest, context: JobContext) -> JobAnswer:
    """Check, and answer with the plan; a request that is not to be remembered writes nothing into the record.

    Raises:
        BusyError: another process held the package lists up to the deadline.
        NotInPlanError: a requested package is not in the plan.
        PlanChangedError: the plan is not the requested one.
        HostError: the machine cannot be observed.
    """
    if not request.remember:
        context = replace(context, record=ReadOnlyRecord(context.record.store))
    plan = check(
        context,
        request.scope,
        refresh=request.refresh,
        remember=request.remember,
        prefetching=request.prefetch,
        requested=request.packages,
    )
    if request.remember:
        settle_after_check(context, plan, scheduled=request.requested_by == REQUESTED_BY_SCHEDULE)
    planning.require_plan(context, plan, request.plan_id)
    document = plan_to_document(plan, context.machine.now(), context.record.findings())
    problem = _not_recorded(context.record) if request.remember else ""
    return JobAnswer(exit_code=exit_code_of(plan), document=document, error=problem)


def check(
    context: JobContext,
    scope: Scope,
    *,
    refresh: bool,
    remember: bool = True,
    prefetching: bool = True,
    requested: Sequence[str] = (),
) -> Plan:
    """Return the plan, or the part of it that has the requested packages.

    With `remember` the whole plan is recorded and, after a refresh and with `prefetching`, its packages are prefetched.
    Without one of both a person is shown what a run would do, decided by all that the run would read. Changelogs
    that are read for it are recorded, unless the record is read-only.

    Raises:
        NotInPlanError: a requested package is not in the plan.
        BusyError: another process held the package lists up to the deadline.
        HostError: the machine cannot be observed.
    """
    with context.engine.apt_daily_lock() if refresh else nullcontext():
        if refresh and remember:
            finish_earlier_jobs(context)
        refreshed = planning.refresh(context) if refresh else context.record.load_refresh()
        planned = planning.observe_and_decide(context, scope, refreshed)
        if remember and (planned.plan.repair or planned.plan.journal) and context.engine.wait_for_dpkg():
            # Another program was at work: what looked interrupted was not.
            planned = planning.observe_and_decide(context, scope, refreshed)
        if refresh or not (remember and prefetching):
            planned = decided_by_cves(context, planned, ahead=remember and prefetching)
        if remember:
            planned = _recorded(context, planned, prefetching=prefetching and refresh)
    _log_plan(planned.plan)
    return select_requested(context, as_named(context, planned, requested), requested).plan


def _log_plan(plan: Plan) -> None:
    log.event(
        log.LogEvent.CHECK_FINISHED,
        scope=plan.scope.value,
        lists=plan.lists.state.value,
        plan=plan.id,
        install=changes(plan.install),
        held=held_items(plan.held),
        repair=[f"{item.label} ({item.state})" for item in plan.repair],
    )


def _recorded(context: JobContext, planned: planning.Planned, *, prefetching: bool) -> planning.Planned:
    """Record a plan; with `prefetching` again, with what the changelogs of the downloads name.

    Return the plan as recorded: with the commands for fixes of the container runtime, whose cost is known only now.
    """
    engines = engine_documents(context, planned.plan.held)
    planned = replace(planned, plan=with_held_fixes(planned.plan, fixes_in(engines)))
    plan = planned.plan
    planning.record_plan(context, planned, engines)
    if prefetching and prefetch.prefetch_updates(context, planned) and context.record.is_current_plan(plan):
        planning.record_plan(context, planned, engines)
    return planned


def _not_recorded(record: Record) -> str:
    """Return why the plan was not recorded; empty if it was."""
    if isinstance(record, ReadOnlyRecord) and not is_root():
        return "(not recorded: needs root)"  # as every check of an ordinary user
    return record.write_error


def exit_code_of(plan: Plan) -> ExitCode:
    """Return ATTENTION if anything is pending or held back, else whether the lists can be trusted."""
    if plan.install or plan.held or plan.unfinished:
        return ExitCode.ATTENTION
    return ExitCode.OK if plan.lists.state is ListsState.FRESH else ExitCode.STALE
