"""Finishes or rolls back a change of Weave that was interrupted, from the snapshot that it left."""

from agent.core.model.docker import DockerFacts, RunningEngine
from agent.core.model.engine_outcome import EngineOutcome
from agent.core.model.engine_plan import Component
from agent.core.redact import remember_secrets
from agent.core.weave.snapshot import WeavePhase, WeaveSnapshot
from agent.errors import HostError
from agent.state.weave_change import WeaveChangeRecord
from agent.worker.context import JobContext
from agent.worker.steps.engine_close import close_recovery, close_removed, was_removed
from agent.worker.steps.engine_upgrade import unrecorded
from agent.worker.steps.engines import attempted
from agent.worker.steps.weave.perform import clear, perform_weave


def recover_weave(context: JobContext, *, accepted: bool = False) -> EngineOutcome | None:
    """Finish or roll back the change that an interrupted run left; return its outcome, None: there was none.

    A change that failed and needs a person is left alone, once its outcome is on record. One whose Docker was removed
    is ended as it is; `accepted`: also where something else took Docker's place, which a person accepts.

    Raises:
        HostError: the engine does not answer. RecordError: the snapshot is damaged. The snapshot is still needed.
    """
    snapshot = WeaveChangeRecord(context.record.store).load()
    if snapshot is None:
        return None
    run = context.record.engine_run(snapshot.run_id)
    if snapshot.phase is WeavePhase.FAILED and run is not None and run.finished_at is not None:
        return None
    begun = unrecorded(Component.WEAVE, snapshot.run_id, snapshot.taken_at)
    outcome = _finish(context, snapshot, run or begun, accepted=accepted)
    return close_recovery(context, outcome, hooked=snapshot.hooked)


def _finish(context: JobContext, snapshot: WeaveSnapshot, run: EngineOutcome, *, accepted: bool) -> EngineOutcome:
    docker = attempted(context.engines.docker)
    runs = isinstance(docker, DockerFacts) and isinstance(docker.engine, RunningEngine)
    if not runs and was_removed(docker, accepted=accepted):
        return close_removed(context, run, lambda: clear(context, snapshot.script), hooked=snapshot.hooked)
    if not runs:
        raise HostError("the interrupted upgrade of Weave cannot be finished: Docker does not answer")
    remember_secrets(filter(None, [context.weave_acts.files.password()]))
    context.control.step(f"finishing the interrupted upgrade of Weave (run {snapshot.run_id})")
    return perform_weave(context, snapshot, lambda change: change.resume(), run).outcome
