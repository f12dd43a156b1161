"""`upgrade`: make a plan, execute it, verify and record the outcome."""

import os
from collections.abc import Callable

from agent.core.frozen import replace
from agent.core.job_kinds import JobKind, JobOption
from agent.core.model.outcome import NOTHING_UNDERWAY, Outcome, Result
from agent.core.model.plan import Plan
from agent.core.model.scope import Scope
from agent.errors import BusyError, DeferredError, ExitCode, HostError, StoppedError
from agent.host import log
from agent.state.documents.outcome import outcome_to_document
from agent.state.job_status import REQUESTED_BY_SCHEDULE
from agent.worker.context import JobContext
from agent.worker.jobs.upgrade_run import UpgradeRun
from agent.worker.log_items import outcome_items
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.steps import prefetch
from agent.worker.steps.daily_job import require_turn
from agent.worker.steps.finish_earlier import finish_earlier_jobs
from agent.worker.steps.finish_restart import finish_interrupted_restart
from agent.worker.steps.recover import credit_late_arrivals, recover_interrupted_run
from agent.worker.steps.select import RunSelection
from agent.worker.steps.upgrade_hooks import UpgradeHooks

EXIT_CODES = {
    Result.UP_TO_DATE: ExitCode.OK,
    Result.UPDATED: ExitCode.OK,
    Result.DEGRADED: ExitCode.ATTENTION,
    Result.FAILED: ExitCode.FAILED,
    Result.INTERRUPTED: ExitCode.FAILED,
    Result.BUSY: ExitCode.BUSY,
    Result.DEFERRED: ExitCode.BUSY,
    Result.STALE: ExitCode.STALE,
}
_MAY_REBOOT = frozenset({Result.UP_TO_DATE, Result.UPDATED, Result.DEGRADED})
_MAX_FAILED_ENTRIES = 20
"""Failed packages with a log entry of their own; the run's entry has all."""
_EVENTS = {
    Result.FAILED: log.LogEvent.UPGRADE_FAILED,
    Result.INTERRUPTED: log.LogEvent.UPGRADE_STOPPED,
    Result.BUSY: log.LogEvent.UPGRADE_POSTPONED,
    Result.DEFERRED: log.LogEvent.UPGRADE_DEFERRED,
    Result.STALE: log.LogEvent.UPGRADE_STALE,
}


def run(request: JobRequest, context: JobContext) -> JobAnswer:
    """Upgrade, and answer with the outcome.

    Raises:
        StandsAsideError: the daemon requests it, and the distribution's daily job installs the updates.
        HostError: the run cannot be recorded; nothing was changed.
    """
    if request.requested_by == REQUESTED_BY_SCHEDULE:
        require_turn(context)
    selection = RunSelection(context, request.plan_id, request.packages)
    outcome = upgrade(context, request.scope, selection, refresh=request.refresh, requested_by=request.requested_by)
    document = outcome_to_document(outcome, context.machine.now(), context.record.findings())
    return JobAnswer(
        exit_code=EXIT_CODES[outcome.result], document=document, follow_up=_reboot_request(request, outcome)
    )


def _reboot_request(request: JobRequest, outcome: Outcome) -> JobRequest | None:
    """Return the reboot that was requested together with the upgrade; None: none, or the run has failures."""
    wanted = JobOption.REBOOT_IF_REQUIRED in request.options
    if not wanted or outcome.failed or outcome.result not in _MAY_REBOOT:
        return None
    return replace(
        request,
        kind=JobKind.REBOOT,
        options=frozenset({JobOption.IF_REQUIRED}),
        packages=(),
        plan_id=None,
        wait=True,
    )


def upgrade(
    context: JobContext,
    scope: Scope,
    selection: RunSelection,
    *,
    refresh: bool,
    requested_by: str = "",
    completed: Callable[[Outcome, Plan | None], Outcome] = lambda outcome, _: outcome,
) -> Outcome:
    """Plan, execute, verify, record. However the run ends, its outcome is returned and recorded.

    `completed` adds to the outcome before it is recorded, by the plan that is left; None: the machine was not seen.

    Raises:
        NothingDoneError: the run is not possible as requested; nothing was done or recorded.
        HostError: the run cannot be recorded; nothing was changed.
    """
    started = Outcome(
        id=context.run_id,
        scope=scope,
        started_at=context.machine.now(),
        finished_at=None,
        result=Result.INTERRUPTED,
        requested=selection.requested,
        message="in progress; if this stays, the run was interrupted before it could record its end",
        requested_by=requested_by,
    )
    beginning = _Beginning(context, started)
    upgrade_run = UpgradeRun(context, started, selection)
    if not selection.limited:
        beginning.record()
    outcome = _execute(context, upgrade_run, beginning, refresh=refresh)
    beginning.record()  # if the run ended before its plan could be compared with the requested one
    outcome = credit_late_arrivals(outcome, beginning.left, context.engine.states)
    outcome = _recorded(context, completed(_with_details(context, upgrade_run, outcome), upgrade_run.after))
    outcome = _closed(context, upgrade_run.hooks, outcome)
    _log_outcome(outcome)
    return outcome


def _with_details(context: JobContext, upgrade_run: UpgradeRun, outcome: Outcome) -> Outcome:
    """Add how to take the run back and where the package manager's output is; read the new changelogs."""
    outcome = upgrade_run.with_undo(outcome)
    log_path = context.record.store.log_path(outcome.id)
    outcome = replace(outcome, log=log_path if os.path.exists(log_path) else "")
    prefetch.read_installed_changelogs(context, outcome, upgrade_run.after)
    return outcome


def _recorded(context: JobContext, outcome: Outcome) -> Outcome:
    """Record the outcome; return it, failed if that is not possible: above all then it must be reported."""
    try:
        context.record.save_outcome(outcome, context.machine.now())
    except HostError as error:
        return replace(outcome, result=Result.FAILED, message=f"{outcome.message} {error}".strip())
    return outcome


def _closed(context: JobContext, hooks: UpgradeHooks, outcome: Outcome) -> Outcome:
    """Run the hooks after the run; what they come to is recorded before they are settled."""
    after_hooks = hooks.run_after(outcome)
    if after_hooks != outcome:
        after_hooks = _recorded(context, after_hooks)
    hooks.settle()
    return after_hooks


class _Beginning:
    """The first record of a run, written once: before that the run leaves no trace in the history."""

    def __init__(self, context: JobContext, started: Outcome) -> None:
        self._context = context
        self._started = started
        self._recorded = False
        self.left = NOTHING_UNDERWAY
        """What an interrupted run before this one had begun and not done."""

    def record(self) -> None:
        """Complete the record of an interrupted run, and record that this one has started.

        Raises:
            HostError: it cannot be written.
        """
        if not self._recorded:
            finish_interrupted_restart(self._context)
            self.left = recover_interrupted_run(self._context.record, self._context.engine.states)
            self._context.record.save_outcome(self._started, self._started.started_at)
            self._recorded = True


def _execute(context: JobContext, upgrade_run: UpgradeRun, beginning: _Beginning, *, refresh: bool) -> Outcome:
    try:
        with context.engine.apt_daily_lock():
            upgrade_run.hooks.earlier_problem = finish_earlier_jobs(context)
            planned = upgrade_run.plan(refresh=refresh)
            beginning.record()
            return upgrade_run.execute(planned)
    except DeferredError as error:
        return upgrade_run.abort(Result.DEFERRED, str(error))
    except BusyError as error:
        return upgrade_run.abort(Result.BUSY, str(error))
    except StoppedError as error:
        return upgrade_run.abort(Result.INTERRUPTED, str(error))
    except HostError as error:
        return upgrade_run.abort(Result.FAILED, str(error))


def _log_outcome(outcome: Outcome) -> None:
    """Log the run's end, and before it each failed package."""
    for one in outcome.failed[:_MAX_FAILED_ENTRIES]:
        log.event(
            log.LogEvent.PACKAGE_FAILED,
            run=outcome.id,
            package=one.package.label,
            stage=one.stage.value,
            error=one.error,
        )
    name = _EVENTS.get(outcome.result, log.LogEvent.UPGRADE_FINISHED)
    log.event(name, run=outcome.id, **outcome_items(outcome))
