"""What the upgrades of Docker and of Weave share: the outcome of a run, its hooks, its answer."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from agent.core.frozen import replace
from agent.core.model.engine_outcome import EngineOutcome, EngineResult, forecast_of
from agent.core.model.engine_plan import Block, Component, EnginePlan, EngineWhy
from agent.errors import AgentError, ExitCode, HostError, PlanChangedError
from agent.host import log
from agent.report.engine_reasons import block_sentence
from agent.state.documents.engine_outcome import engine_outcome_to_document
from agent.state.owed_hooks import OwedHooks, owe_hooks, settle_hooks
from agent.worker.context import JobContext
from agent.worker.log_items import engine_outcome_items
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.steps.engines import engine_document

_EXIT_CODES = {
    EngineResult.UNCHANGED: ExitCode.OK,
    EngineResult.UPGRADED: ExitCode.OK,
    EngineResult.RESTARTED: ExitCode.OK,
    EngineResult.BLOCKED: ExitCode.ATTENTION,
}
"""FAILED for all others."""
_FAILED = frozenset({EngineResult.ROLLED_BACK, EngineResult.FAILED_NEEDS_ATTENTION, EngineResult.INTERRUPTED})
_IN_PROGRESS = "in progress; if this stays, the run was interrupted: `maestro-agent check` finishes it"
_DAMAGED = "interrupted; its snapshot is damaged, so that it could be neither finished nor rolled back"


class NotNowError(Exception):
    """The upgrade may not happen now; nothing was changed."""

    def __init__(self, *blocks: Block, message: str = "") -> None:
        super().__init__(message or ", ".join(block.why.value for block in blocks))
        self.blocks = blocks
        self.message = message


class EngineUpgrade:
    """One run of an upgrade."""

    def __init__(self, request: JobRequest, context: JobContext, component: Component, problem: str = "") -> None:
        """Take what failed, in this job, of the hooks that an earlier run of the component owed."""
        self._request = request
        self._problem = problem
        self._context = context
        self._component = component
        self.hooked = False
        """Whether a pre-hook ran, so that the post-hooks have to."""
        self._begun = False
        self.outcome = replace(
            unrecorded(component, context.run_id, context.machine.now()),
            message=_IN_PROGRESS,
            requested_by=request.requested_by,
        )

    def run(self, act: Callable[[], JobAnswer]) -> JobAnswer:
        """Return the answer of `act`, or that it may not happen now; run the post-hooks, and add what failed of them.

        Without hooks of its own, what those of an earlier run left undone is still so after this one.

        Raises:
            AgentError: as `act`; unless the change had begun, nothing was changed, and nothing is recorded but what
                failed of the post-hooks.
        """
        problem, recorded = self._problem, False
        try:
            answer = act()
            recorded = True
        except NotNowError as error:
            answer = self.end(EngineResult.BLOCKED, error.message, blocked=error.blocks)
            recorded = True
        except AgentError as error:  # not recorded; the post-hooks get it
            if not self._begun:  # a later job finishes the change, else nothing was changed
                now = self._context.machine.now()
                self.outcome = replace(self.outcome, result=EngineResult.BLOCKED, message=str(error), finished_at=now)
            raise
        finally:
            if self.hooked:  # whatever the result: a pre-hook may have drained the machine
                problem = run_post_hooks(self._context, self.outcome)
            if problem and (recorded or self.hooked):
                self.outcome = with_problem(self._context, self.outcome, problem)
            if self.hooked:
                self.settle_hooks()
        if not problem:
            return answer
        code = ExitCode.ATTENTION if answer.exit_code == ExitCode.OK else answer.exit_code
        return replace(answer, exit_code=code, document=_document(self._context, self.outcome))

    def describe(self, plan: EnginePlan, running: str | None) -> None:
        """Add the plan to the outcome; `running` is the version that runs, None: none does."""
        self.outcome = replace(
            self.outcome,
            plan_id=plan.id,
            before=running,
            running=running,
            target=plan.candidate or plan.installed,
            forecast=forecast_of(plan),
        )

    def require_plan(self, plan: EnginePlan) -> None:
        """Check that the plan is the requested one, and that nothing blocks it.

        Raises:
            PlanChangedError: it is another one. NotNowError: something blocks it.
        """
        if self._request.plan_id not in (None, plan.id):
            raise PlanChangedError(
                f"the plan is {plan.id} by now, not {self._request.plan_id}; nothing was changed. "
                f"`maestro-agent {self._component.value} plan` shows it"
            )
        if plan.blocked:
            raise NotNowError(*plan.blocked)

    def run_pre_hooks(self, plan: EnginePlan) -> None:
        """Run the hooks before the upgrade.

        What they owe is on record before the first one starts, until the snapshot of the change has it.

        Raises:
            NotNowError: one failed or deferred it.
            HostError: what is owed cannot be recorded; nothing was changed.
        """
        context, name = self._context, f"{self._component.value}.d"
        document = engine_document(context, self._component, plan) or {}
        if context.hooks.has_hooks(f"pre-{name}"):
            self._owe_hooks()
        context.control.step("running the hooks before the upgrade")
        verdict = context.engine_acts.host.run_hooks(f"pre-{name}", document)
        self.hooked = verdict.ran > 0
        if not self.hooked:
            self.settle_hooks()
        if verdict.problem:
            why = EngineWhy.HOOK_DEFERRED if verdict.deferred else EngineWhy.HOOK_FAILED
            raise NotNowError(Block(why=why, values=(verdict.problem,)))

    def _owe_hooks(self) -> None:
        context = self._context
        owed = OwedHooks(run=context.run_id, directory=f"post-{self._component.value}.d")
        owe_hooks(context.record.store, owed, context.machine.now())

    def owe_hooks_again(self) -> None:
        """Record that hooks are owed, if they are, before the snapshot of a change that did not begin is removed."""
        if self.hooked:
            with suppress(HostError):  # a full disk: they run in this job, unless it is killed
                self._owe_hooks()

    def settle_hooks(self) -> None:
        """Record that no hooks are owed beside those of the snapshot; if that fails, they run once more."""
        with suppress(HostError):
            settle_hooks(self._context.record.store)

    def save(self) -> None:
        """Record that the change begins.

        Raises:
            HostError: it cannot be written.
        """
        self._context.record.save_engine_outcome(self.outcome, self._context.machine.now(), block_sentence)
        self._begun = True

    def end(
        self,
        result: EngineResult,
        message: str = "",
        *,
        blocked: tuple[Block, ...] = (),
        exit_code: ExitCode | None = None,
    ) -> JobAnswer:
        """Record the outcome of a run that changed nothing; answer with it."""
        now = self._context.machine.now()
        outcome = replace(self.outcome, result=result, message=message, blocked=blocked, finished_at=now, forecast=None)
        return self._answer(record_outcome(self._context, outcome), exit_code)

    def changed(self, outcome: EngineOutcome, *, clean: bool) -> JobAnswer:
        """Answer with the recorded outcome of a change; one that is not clean has failed."""
        return self._answer(outcome, None if clean else ExitCode.FAILED)

    def _answer(self, outcome: EngineOutcome, exit_code: ExitCode | None) -> JobAnswer:
        self.outcome = outcome
        code = _EXIT_CODES.get(outcome.result, ExitCode.FAILED) if exit_code is None else exit_code
        return JobAnswer(exit_code=code, document=_document(self._context, outcome))


def unrecorded(component: Component, run_id: str, started_at: datetime) -> EngineOutcome:
    """Return the start of a run of which nothing is on record."""
    return EngineOutcome(
        id=run_id, component=component, started_at=started_at, finished_at=None, result=EngineResult.INTERRUPTED
    )


def record_outcome(context: JobContext, outcome: EngineOutcome) -> EngineOutcome:
    """Record and log the outcome of a run; return it with a message if it could not be recorded."""
    try:
        context.record.save_engine_outcome(outcome, context.machine.now(), block_sentence)
    except HostError as error:  # it must still be reported, above all when it cannot be written
        outcome = replace(outcome, message=f"{outcome.message} {error}".strip())
    name = log.LogEvent.ENGINE_FINISHED
    if outcome.result in _FAILED:
        name = log.LogEvent.ENGINE_FAILED
    elif outcome.result is EngineResult.BLOCKED:
        name = log.LogEvent.ENGINE_BLOCKED
    log.event(name, run=outcome.id, **engine_outcome_items(outcome))
    return outcome


def end_damaged(context: JobContext, component: Component) -> None:
    """End the record of an interrupted run whose snapshot is damaged."""
    last = context.record.last_engine_run(component)
    if last is not None and last.finished_at is None:
        record_outcome(context, replace(last, finished_at=context.machine.now(), message=_DAMAGED))


def run_post_hooks(context: JobContext, outcome: EngineOutcome) -> str:
    """Run the hooks after an upgrade, with its outcome; return which failed, and why."""
    verdict = context.engine_acts.host.run_hooks(f"post-{outcome.component.value}.d", _document(context, outcome))
    return verdict.problem


def with_problem(context: JobContext, outcome: EngineOutcome, problem: str) -> EngineOutcome:
    """Record and return the outcome of a run with what failed after it in its message."""
    outcome = replace(
        outcome,
        message="; ".join(filter(None, (outcome.message, problem))),
        problem="; ".join(filter(None, (outcome.problem, problem))),
    )
    with suppress(HostError):  # the log has it
        context.record.save_engine_outcome(outcome, context.machine.now(), block_sentence)
    return outcome


def _document(context: JobContext, outcome: EngineOutcome) -> dict[str, object]:
    return engine_outcome_to_document(outcome, context.machine.now(), block_sentence)
