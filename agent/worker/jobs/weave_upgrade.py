"""`weave-upgrade`: bring Weave to the version of the manifest."""

from collections.abc import Collection
from dataclasses import replace

from agent.core.job_kinds import JobOption
from agent.core.model.engine_outcome import EngineOutcome, EngineResult, forecast_of
from agent.core.model.engine_plan import Block, Component, EnginePlan, EngineWhy
from agent.errors import ExitCode, HostError, PlanChangedError, RecordError
from agent.report.engine_reasons import block_sentence
from agent.state.documents.engine_outcome import engine_outcome_to_document
from agent.state.weave_change import WeaveChangeRecord
from agent.worker.context import JobContext
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.steps.docker.perform import record_outcome
from agent.worker.steps.engines import engine_document, planned_answer
from agent.worker.steps.weave import prepare
from agent.worker.steps.weave.perform import clear, perform_weave
from agent.worker.steps.weave.prepare import WeaveNotNowError, WeaveProspect
from agent.worker.steps.weave.recover import recover_weave

_PRE, _POST = "pre-weave.d", "post-weave.d"
_SUCCESS = frozenset({EngineResult.UNCHANGED, EngineResult.UPGRADED, EngineResult.RESTARTED})
_LOST = (
    "what an interrupted upgrade of Weave began cannot be finished: have the router run, "
    "then run `maestro-agent weave upgrade --after-failure`"
)
_DAMAGED = "interrupted; its snapshot is damaged, so that it could be neither finished nor rolled back"
_IN_PROGRESS = "in progress; if this stays, the run was interrupted: `maestro-agent check` finishes it"


def run(request: JobRequest, context: JobContext) -> JobAnswer:
    """Upgrade Weave, and answer with the outcome; for a dry run with the plan.

    Raises:
        PlanChangedError: the plan is not the requested one, or changed meanwhile; nothing was changed.
        HostError: an interrupted upgrade cannot be finished; nothing was changed.
        RecordError: its snapshot is damaged, and no person accepts what runs; nothing was changed.
    """
    if JobOption.DRY_RUN in request.options:
        return planned_answer(context, Component.WEAVE, request.options)
    _require_readable(context, request.options)
    recover_weave(context)
    return WeaveUpgrade(request, context).run()


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
        last = context.record.last_engine_run(Component.WEAVE)
        if last is not None and last.finished_at is None:
            record_outcome(context, replace(last, finished_at=context.machine.now(), message=_DAMAGED))
        record.set_aside()


class WeaveUpgrade:
    """One run."""

    def __init__(self, request: JobRequest, context: JobContext) -> None:
        self._request = request
        self._context = context
        self._options = request.options
        self._hooked = False
        """Whether a pre-hook ran, so that the post-hooks have to."""
        self._outcome = EngineOutcome(
            id=context.run_id,
            component=Component.WEAVE,
            started_at=context.machine.now(),
            finished_at=None,
            result=EngineResult.INTERRUPTED,
            message=_IN_PROGRESS,
            requested_by=request.requested_by,
        )

    def run(self) -> JobAnswer:
        """Prepare, change, record; see `run` of this module."""
        try:
            return self._run()
        except WeaveNotNowError as error:
            return self._end(EngineResult.BLOCKED, error.message, blocked=error.blocks)
        finally:
            if self._hooked:  # whatever the result: a pre-hook may have drained the machine
                self._context.engine_acts.host.run_hooks(_POST, self._document())

    def _run(self) -> JobAnswer:
        prepare.accept_failure(self._context, self._options)
        found = prepare.look(self._context, self._options)
        if found is None:
            return self._end(EngineResult.UNCHANGED, "Weave is not installed, and no manifest asks for it.")
        plan = found.plan
        self._describe(plan)
        if self._request.plan_id not in (None, plan.id):
            raise PlanChangedError(
                f"the plan is {plan.id} by now, not {self._request.plan_id}; nothing was changed. "
                "`maestro-agent weave plan` shows it"
            )
        if plan.blocked:
            raise WeaveNotNowError(*plan.blocked)
        if plan.nothing_to_do:
            return self._end(EngineResult.UNCHANGED)
        prepare.require_names(self._context, found.weave)
        try:
            return self._prepared(found)
        except (WeaveNotNowError, PlanChangedError, HostError):
            self._forget(found)
            raise

    def _prepared(self, found: WeaveProspect) -> JobAnswer:
        """Fetch, run the hooks, look once more, change."""
        context = self._context
        digest = prepare.fetch(context, found)
        self._run_pre_hooks(found.plan)
        now = prepare.require_same_work(found.plan, prepare.look(context, self._options))
        if reason := context.control.stop():
            self._forget(found)
            return self._end(EngineResult.INTERRUPTED, f"stopped {reason}; nothing was changed")
        context.record.save_engine_outcome(self._outcome, context.machine.now(), block_sentence)
        try:
            snapshot = prepare.take_weave_snapshot(context, now, digest)
            done = perform_weave(context, snapshot, lambda change: change.carry_out(), self._outcome)
        except HostError as error:
            clear(context, found.script)
            return self._end(EngineResult.BLOCKED, f"nothing was changed: {error}", exit_code=ExitCode.FAILED)
        self._outcome = done.outcome
        code = ExitCode.OK if done.clean and done.outcome.result in _SUCCESS else ExitCode.FAILED
        return JobAnswer(exit_code=code, document=self._document())

    def _forget(self, found: WeaveProspect) -> None:
        """Remove what was fetched and kept for a change that did not begin."""
        if WeaveChangeRecord(self._context.record.store).load() is None:
            self._context.weave_acts.files.forget(found.script)

    def _describe(self, plan: EnginePlan) -> None:
        """Add what is planned to the outcome."""
        self._outcome = replace(
            self._outcome,
            plan_id=plan.id,
            before=plan.running,
            running=plan.running,
            target=plan.candidate or plan.installed,
            forecast=forecast_of(plan),
        )

    def _run_pre_hooks(self, plan: EnginePlan) -> None:
        document = engine_document(self._context, Component.WEAVE, plan) or {}
        self._context.control.step("running the hooks before the upgrade")
        verdict = self._context.engine_acts.host.run_hooks(_PRE, document)
        self._hooked = verdict.ran > 0
        if verdict.problem:
            why = EngineWhy.HOOK_DEFERRED if verdict.deferred else EngineWhy.HOOK_FAILED
            raise WeaveNotNowError(Block(why=why, values=(verdict.problem,)))

    def _end(
        self,
        result: EngineResult,
        message: str = "",
        *,
        blocked: tuple[Block, ...] = (),
        exit_code: ExitCode | None = None,
    ) -> JobAnswer:
        """Record the outcome of a run that changed nothing; answer with it."""
        now = self._context.machine.now()
        outcome = replace(
            self._outcome, result=result, message=message, blocked=blocked, finished_at=now, forecast=None
        )
        self._outcome = record_outcome(self._context, outcome)
        usual = {EngineResult.UNCHANGED: ExitCode.OK, EngineResult.BLOCKED: ExitCode.ATTENTION}
        code = usual.get(result, ExitCode.FAILED) if exit_code is None else exit_code
        return JobAnswer(exit_code=code, document=self._document())

    def _document(self) -> dict[str, object]:
        return engine_outcome_to_document(self._outcome, self._context.machine.now(), block_sentence)
