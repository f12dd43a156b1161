"""`docker-upgrade`: bring Docker to the version of the manifest, or restart an engine that runs an older version."""

from collections.abc import Collection
from dataclasses import replace

from agent.core.docker.snapshot import Phase
from agent.core.docker.versions import upstream
from agent.core.job_kinds import JobOption
from agent.core.model.docker import DockerFacts, EngineUnit, RunningEngine
from agent.core.model.engine_outcome import EngineOutcome, EngineResult, forecast_of
from agent.core.model.engine_plan import Block, Component, EnginePlan, EngineWhy
from agent.errors import BusyError, ExitCode, HostError, PlanChangedError, RecordError
from agent.report.engine_reasons import block_sentence
from agent.state.documents.engine_outcome import engine_outcome_to_document
from agent.worker.context import JobContext
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.steps.docker import prepare
from agent.worker.steps.docker.perform import perform, record_outcome
from agent.worker.steps.docker.prepare import Kept, NotNowError, Prospect
from agent.worker.steps.docker.recover import POST_HOOKS, accept_damaged_snapshot, recover_docker
from agent.worker.steps.docker.take import take_snapshot
from agent.worker.steps.engines import docker_options, engine_document, planned_answer

_PRE = "pre-docker.d"
_EXIT_CODES = {
    EngineResult.UNCHANGED: ExitCode.OK,
    EngineResult.UPGRADED: ExitCode.OK,
    EngineResult.RESTARTED: ExitCode.OK,
    EngineResult.BLOCKED: ExitCode.ATTENTION,
}
"""FAILED for all others."""
_LOST = (
    "what an interrupted upgrade of Docker began cannot be finished: have the engine and its containers run, "
    "then run `maestro-agent docker upgrade --after-failure`"
)
_IN_PROGRESS = "in progress; if this stays, the run was interrupted: `maestro-agent check` finishes it"


def run(request: JobRequest, context: JobContext) -> JobAnswer:
    """Upgrade Docker, and answer with the outcome; for a dry run with the plan.

    Raises:
        BusyError: another program held a lock of the package manager up to the deadline; nothing was changed.
        PlanChangedError: the plan is not the requested one, or changed meanwhile; nothing was changed.
        HostError: an interrupted upgrade cannot be finished; nothing was changed.
        RecordError: its snapshot is damaged, and no person accepts what runs; nothing was changed.
    """
    if JobOption.DRY_RUN in request.options:
        return planned_answer(context, Component.DOCKER, request.options)
    with context.engine.apt_daily_lock():
        _require_readable(context, request.options)
        recover_docker(context)
        _require_finished(context)
        return DockerUpgrade(request, context).run()


class DockerUpgrade:
    """One run."""

    def __init__(self, request: JobRequest, context: JobContext) -> None:
        self._request = request
        self._context = context
        self._options = request.options
        self._hooked = False
        """Whether a pre-hook ran, so that the post-hooks have to."""
        self._outcome = EngineOutcome(
            id=context.run_id,
            component=Component.DOCKER,
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
        except NotNowError as error:
            return self._end(EngineResult.BLOCKED, blocked=error.blocks)
        except PlanChangedError as error:  # not recorded; the post-hooks get it
            now = self._context.machine.now()
            self._outcome = replace(self._outcome, result=EngineResult.BLOCKED, message=str(error), finished_at=now)
            raise
        finally:
            self._run_post_hooks()

    def _run(self) -> JobAnswer:
        found = prepare.look(self._context, self._options)
        if found is None:
            return self._end(EngineResult.UNCHANGED, "Docker is not installed, and no manifest asks for it.")
        self._describe(found)
        if block := prepare.unfinished_failure(self._context, self._options, found.docker):
            raise NotNowError(block)
        plan = found.plan
        if self._request.plan_id not in (None, plan.id):
            raise PlanChangedError(
                f"the plan is {plan.id} by now, not {self._request.plan_id}; nothing was changed. "
                "`maestro-agent docker plan` shows it"
            )
        if plan.blocked:
            raise NotNowError(*plan.blocked)
        if plan.nothing_to_do:
            self._context.engine_acts.archives.forget()  # of an attempt that was blocked
            return self._end(EngineResult.UNCHANGED)
        prepare.require_space(self._context, plan, self._options)
        kept = prepare.keep(self._context, plan)
        self._run_pre_hooks(plan)
        now = prepare.require_same(plan, prepare.look(self._context, self._options))
        if reason := self._context.control.stop():
            return self._end(EngineResult.INTERRUPTED, f"stopped {reason}; nothing was changed")
        return self._change(now, kept)

    def _describe(self, found: Prospect) -> None:
        """Add what is planned to the outcome."""
        plan, engine = found.plan, found.docker.engine
        running = upstream(engine.version) if isinstance(engine, RunningEngine) else None
        self._outcome = replace(
            self._outcome,
            plan_id=plan.id,
            before=running,
            running=running,
            target=plan.candidate or plan.installed,
            forecast=forecast_of(plan),
        )

    def _run_pre_hooks(self, plan: EnginePlan) -> None:
        document = engine_document(self._context, Component.DOCKER, plan) or {}
        self._context.control.step("running the hooks before the upgrade")
        verdict = self._context.engine_acts.host.run_hooks(_PRE, document)
        self._hooked = verdict.ran > 0
        if verdict.problem:
            why = EngineWhy.HOOK_DEFERRED if verdict.deferred else EngineWhy.HOOK_FAILED
            raise NotNowError(Block(why=why, values=(verdict.problem,)))

    def _run_post_hooks(self) -> None:
        """Run the post-hooks, whatever the result: a pre-hook may have drained the machine."""
        if self._hooked:
            self._context.engine_acts.host.run_hooks(POST_HOOKS, self._document())

    def _change(self, found: Prospect, kept: Kept) -> JobAnswer:
        context, docker = self._context, found.docker
        try:
            snapshot = take_snapshot(
                docker,
                found.plan.packages,
                kept,
                run_id=context.run_id,
                target=found.plan.candidate or found.plan.installed,
                boot_id=context.engine_acts.host.boot_id(),
                now=context.machine.now(),
                live_restore=docker_options(context, self._options).live_restore,
            )
        except HostError as error:  # what cannot be saved cannot be brought back
            raise NotNowError(Block(why=EngineWhy.UNRESPONSIVE, values=(str(error),))) from error
        snapshot = replace(snapshot, hooked=self._hooked)
        try:
            context.record.save_docker_snapshot(snapshot, context.machine.now())
            context.record.save_engine_outcome(self._outcome, context.machine.now(), block_sentence)
            done = perform(context, snapshot, _unit(docker), lambda change: change.carry_out(), self._outcome)
        except (BusyError, HostError) as error:
            saved = context.record.docker_snapshot()
            if saved is not None and saved.phase is not Phase.PREPARED:
                raise  # `recover_docker` finishes it
            context.record.finish_docker_change()
            code = ExitCode.BUSY if isinstance(error, BusyError) else ExitCode.FAILED
            return self._end(EngineResult.BLOCKED, f"nothing was changed: {error}", exit_code=code)
        self._outcome = done.outcome
        code = _EXIT_CODES.get(done.outcome.result, ExitCode.FAILED) if done.clean else ExitCode.FAILED
        return JobAnswer(exit_code=code, document=self._document())

    def _end(
        self,
        result: EngineResult,
        message: str = "",
        *,
        blocked: tuple[Block, ...] = (),
        exit_code: ExitCode | None = None,
    ) -> JobAnswer:
        """Record the outcome of a run that changed nothing; answer with it."""
        outcome = replace(
            self._outcome,
            result=result,
            message=message,
            blocked=blocked,
            finished_at=self._context.machine.now(),
            forecast=None,
        )
        self._outcome = record_outcome(self._context, outcome)
        code = _EXIT_CODES.get(result, ExitCode.FAILED) if exit_code is None else exit_code
        return JobAnswer(exit_code=code, document=self._document())

    def _document(self) -> dict[str, object]:
        return engine_outcome_to_document(self._outcome, self._context.machine.now(), block_sentence)


def _require_readable(context: JobContext, options: Collection[JobOption]) -> None:
    """Check that the snapshot of an interrupted change is not damaged; with `AFTER_FAILURE` a person accepts that.

    Raises:
        RecordError: it is damaged.
    """
    try:
        context.record.docker_snapshot()
    except RecordError as error:
        if JobOption.AFTER_FAILURE not in options:
            raise RecordError(f"{error}; {_LOST}") from error
        accept_damaged_snapshot(context)


def _require_finished(context: JobContext) -> None:
    """Check that no interrupted change still waits: another one would lose the way back of it.

    Raises:
        HostError: one does; a later run goes on with it.
    """
    snapshot = context.record.docker_snapshot()
    if snapshot is None or snapshot.phase is Phase.FAILED:
        return
    run = context.record.engine_run(snapshot.run_id)
    reason = run.rollback.reason if run is not None and run.rollback is not None else ""
    waits = f"the upgrade of Docker that was interrupted (run {snapshot.run_id}) cannot be finished yet"
    raise HostError(f"{waits}{f': {reason}' if reason else ''}; nothing new was begun")


def _unit(docker: DockerFacts) -> EngineUnit:
    """Return docker.service.

    Raises:
        HostError: it cannot be read.
    """
    if not isinstance(docker.unit, EngineUnit):
        raise HostError("nothing was changed: the state of docker.service is unknown")
    return docker.unit
