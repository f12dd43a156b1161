"""`weave-upgrade`: bring Weave to the version of the manifest."""

from collections.abc import Collection

from agent.core.job_kinds import JobOption
from agent.core.model.engine_outcome import EngineResult
from agent.core.model.engine_plan import Component
from agent.errors import ExitCode, HostError, PlanChangedError, RecordError
from agent.state.weave_change import WeaveChangeRecord
from agent.worker.context import JobContext
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.steps.engine_upgrade import EngineUpgrade, NotNowError, end_damaged
from agent.worker.steps.engines import planned_answer
from agent.worker.steps.finish_reboot import finish_earlier_reboot
from agent.worker.steps.upgrade_hooks import finish_owed_hooks
from agent.worker.steps.weave import prepare
from agent.worker.steps.weave.perform import clear, perform_weave
from agent.worker.steps.weave.prepare import WeaveProspect
from agent.worker.steps.weave.recover import recover_weave

_LOST = (
    "what an interrupted upgrade of Weave began cannot be finished: have the router run, "
    "then run `maestro-agent weave upgrade --after-failure`"
)


def run(request: JobRequest, context: JobContext) -> JobAnswer:
    """Upgrade Weave, and answer with the outcome; for a dry run with the plan.

    Raises:
        BusyError: the machine is going down; nothing was changed.
        PlanChangedError: the plan is not the requested one, or changed meanwhile; nothing was changed.
        HostError: an interrupted upgrade cannot be finished; nothing was changed.
        RecordError: its snapshot is damaged, and no person accepts what runs; nothing was changed.
    """
    if JobOption.DRY_RUN in request.options:
        return planned_answer(context, Component.WEAVE, request.options)
    finish_earlier_reboot(context)
    owed = finish_owed_hooks(context, "post-weave.d")
    _require_readable(context, request.options)
    recovered = recover_weave(context, accepted=JobOption.AFTER_FAILURE in request.options)
    return WeaveUpgrade(request, context, recovered.problem if recovered else owed).run()


def _require_readable(context: JobContext, options: Collection[JobOption]) -> None:
    """Check that the snapshot of an interrupted change is not damaged; with `AFTER_FAILURE` a person accepts that.

    Raises:
        RecordError: it is damaged.
    """
    record = WeaveChangeRecord(context.record.store)
    try:
        record.load()
    except RecordError as error:
        if JobOption.AFTER_FAILURE not in options:
            raise RecordError(f"{error}; {_LOST}") from error
        end_damaged(context, Component.WEAVE)
        record.set_aside()


class WeaveUpgrade:
    """One run."""

    def __init__(self, request: JobRequest, context: JobContext, problem: str) -> None:
        self._context = context
        self._options = request.options
        self._upgrade = EngineUpgrade(request, context, Component.WEAVE, problem)

    def run(self) -> JobAnswer:
        """Prepare, change, record; see `run` of this module."""
        return self._upgrade.run(self._run)

    def _run(self) -> JobAnswer:
        prepare.accept_failure(self._context, self._options)
        found = prepare.look(self._context, self._options)
        if found is None:
            return self._upgrade.end(EngineResult.UNCHANGED, "Weave is not installed, and no manifest asks for it.")
        plan = found.plan
        self._upgrade.describe(plan, plan.running)
        self._upgrade.require_plan(plan)
        if plan.nothing_to_do:
            return self._upgrade.end(EngineResult.UNCHANGED)
        prepare.require_names(self._context, found.weave)
        try:
            return self._prepared(found)
        except (NotNowError, PlanChangedError, HostError):
            self._forget(found)
            raise

    def _prepared(self, found: WeaveProspect) -> JobAnswer:
        """Fetch, run the hooks, look once more, change."""
        context = self._context
        digest = prepare.fetch(context, found)
        self._upgrade.run_pre_hooks(found.plan)
        now = prepare.require_same_work(found.plan, prepare.look(context, self._options))
        if reason := context.control.stop():
            self._forget(found)
            return self._upgrade.end(EngineResult.INTERRUPTED, f"stopped {reason}; nothing was changed")
        self._upgrade.save()
        try:
            snapshot = prepare.take_weave_snapshot(context, now, digest, hooked=self._upgrade.hooked)
            self._upgrade.settle_hooks()
            done = perform_weave(context, snapshot, lambda change: change.carry_out(), self._upgrade.outcome)
        except HostError as error:
            self._upgrade.owe_hooks_again()
            clear(context, found.script)
            return self._upgrade.end(EngineResult.BLOCKED, f"nothing was changed: {error}", exit_code=ExitCode.FAILED)
        return self._upgrade.changed(done.outcome, clean=done.clean)

    def _forget(self, found: WeaveProspect) -> None:
        """Remove what was fetched and kept for a change that did not begin."""
        if WeaveChangeRecord(self._context.record.store).load() is None:
            self._context.weave_acts.files.forget(found.script)
