"""`docker-upgrade`: bring Docker to the version of the manifest, or restart an engine that runs an older version."""

from collections.abc import Collection

from agent.core.docker.snapshot import Phase
from agent.core.docker.versions import upstream
from agent.core.frozen import replace
from agent.core.job_kinds import JobOption
from agent.core.model.docker import DockerFacts, EngineUnit, RunningEngine
from agent.core.model.engine_outcome import EngineResult
from agent.core.model.engine_plan import Block, Component, EngineWhy
from agent.errors import BusyError, ExitCode, HostError, RecordError
from agent.state.docker_change import DockerChangeRecord
from agent.worker.context import JobContext
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.steps.docker import prepare
from agent.worker.steps.docker.perform import perform
from agent.worker.steps.docker.prepare import Kept, Prospect
from agent.worker.steps.docker.recover import accept_damaged_snapshot, recover_docker
from agent.worker.steps.docker.take import take_snapshot
from agent.worker.steps.engine_upgrade import EngineUpgrade, NotNowError
from agent.worker.steps.engines import docker_options, planned_answer
from agent.worker.steps.finish_reboot import finish_earlier_reboot
from agent.worker.steps.upgrade_hooks import finish_owed_hooks

_LOST = (
    "what an interrupted upgrade of Docker began cannot be finished: have the engine and its containers run, "
    "then run `maestro-agent docker upgrade --after-failure`"
)


def run(request: JobRequest, context: JobContext) -> JobAnswer:
    """Upgrade Docker, and answer with the outcome; for a dry run with the plan.

    Raises:
        BusyError: another program held a lock of the package manager up to the deadline, or the machine is going down;
            nothing was changed.
        PlanChangedError: the plan is not the requested one, or changed meanwhile; nothing was changed.
        HostError: an interrupted upgrade cannot be finished; nothing was changed.
        RecordError: its snapshot is damaged, and no person accepts what runs; nothing was changed.
    """
    if JobOption.DRY_RUN in request.options:
        return planned_answer(context, Component.DOCKER, request.options)
    with context.engine.apt_daily_lock():
        finish_earlier_reboot(context)
        owed = finish_owed_hooks(context, "post-docker.d")
        _require_readable(context, request.options)
        recovered = recover_docker(context, accepted=JobOption.AFTER_FAILURE in request.options)
        _require_finished(context)
        return DockerUpgrade(request, context, recovered.problem if recovered else owed).run()


class DockerUpgrade:
    """One run."""

    def __init__(self, request: JobRequest, context: JobContext, problem: str) -> None:
        self._context = context
        self._options = request.options
        self._upgrade = EngineUpgrade(request, context, Component.DOCKER, problem)

    def run(self) -> JobAnswer:
        """Prepare, change, record; see `run` of this module."""
        return self._upgrade.run(self._run)

    def _run(self) -> JobAnswer:
        found = prepare.look(self._context, self._options)
        if found is None:
            return self._upgrade.end(EngineResult.UNCHANGED, "Docker is not installed, and no manifest asks for it.")
        engine, plan = found.docker.engine, found.plan
        self._upgrade.describe(plan, upstream(engine.version) if isinstance(engine, RunningEngine) else None)
        if block := prepare.unfinished_failure(self._context, self._options, found.docker):
            raise NotNowError(block)
        self._upgrade.require_plan(plan)
        if plan.nothing_to_do:
            self._context.engine_acts.archives.forget()  # of an attempt that was blocked
            return self._upgrade.end(EngineResult.UNCHANGED)
        prepare.require_space(self._context, plan, self._options)
        kept = prepare.keep(self._context, plan)
        self._upgrade.run_pre_hooks(plan)
        now = prepare.require_same(plan, prepare.look(self._context, self._options))
        if reason := self._context.control.stop():
            return self._upgrade.end(EngineResult.INTERRUPTED, f"stopped {reason}; nothing was changed")
        return self._change(now, kept)

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
        snapshot = replace(snapshot, hooked=self._upgrade.hooked)
        try:
            DockerChangeRecord(context.record.store).save(snapshot, context.machine.now())
            self._upgrade.settle_hooks()
            self._upgrade.save()
            done = perform(context, snapshot, _unit(docker), lambda change: change.carry_out(), self._upgrade.outcome)
        except (BusyError, HostError) as error:
            saved = DockerChangeRecord(context.record.store).load()
            if saved is not None and saved.phase is not Phase.PREPARED:
                raise  # `recover_docker` finishes it
            self._upgrade.owe_hooks_again()
            DockerChangeRecord(context.record.store).finish()
            code = ExitCode.BUSY if isinstance(error, BusyError) else ExitCode.FAILED
            return self._upgrade.end(EngineResult.BLOCKED, f"nothing was changed: {error}", exit_code=code)
        return self._upgrade.changed(done.outcome, clean=done.clean)


def _require_readable(context: JobContext, options: Collection[JobOption]) -> None:
    """Check that the snapshot of an interrupted change is not damaged; with `AFTER_FAILURE` a person accepts that.

    Raises:
        RecordError: it is damaged.
    """
    try:
        DockerChangeRecord(context.record.store).load()
    except RecordError as error:
        if JobOption.AFTER_FAILURE not in options:
            raise RecordError(f"{error}; {_LOST}") from error
        accept_damaged_snapshot(context)


def _require_finished(context: JobContext) -> None:
    """Check that no interrupted change still waits: another one would lose the way back of it.

    Raises:
        HostError: one does; a later run goes on with it.
    """
    snapshot = DockerChangeRecord(context.record.store).load()
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
