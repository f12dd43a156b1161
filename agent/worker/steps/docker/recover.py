"""Finishes or rolls back a change of Docker that was interrupted, from the snapshot that it left."""

from agent.core.docker.snapshot import DockerSnapshot, Phase
from agent.core.model.docker import DockerFacts, EngineUnit
from agent.core.model.engine_outcome import EngineOutcome
from agent.core.model.engine_plan import Component
from agent.errors import HostError
from agent.state.docker_change import DockerChangeRecord
from agent.worker.context import JobContext
from agent.worker.steps.docker.perform import discard, perform
from agent.worker.steps.engine_close import close_recovery, close_removed, was_removed
from agent.worker.steps.engine_upgrade import end_damaged, unrecorded
from agent.worker.steps.engines import attempted


def recover_docker(context: JobContext, *, accepted: bool = False) -> EngineOutcome | None:
    """Finish or roll back the change that an interrupted run left; return its outcome, None: there was none.

    A change that failed and needs a person is left alone, once its outcome is on record. One whose Docker was removed
    is ended as it is; `accepted`: also where something else took Docker's place, which a person accepts.

    Raises:
        BusyError: another program holds dpkg's lock. HostError: the unit or the snapshot cannot be read. RecordError:
            the snapshot is damaged. The snapshot is still needed.
    """
    snapshot = DockerChangeRecord(context.record.store).load()
    if snapshot is None:
        return None
    run = context.record.engine_run(snapshot.run_id)
    if snapshot.phase is Phase.FAILED and run is not None and run.finished_at is not None:
        return None
    context.control.step(f"finishing the interrupted upgrade of Docker (run {snapshot.run_id})")
    begun = unrecorded(Component.DOCKER, snapshot.run_id, snapshot.taken_at)
    outcome = _finish(context, snapshot, run or begun, accepted=accepted)
    return close_recovery(context, outcome, hooked=snapshot.hooked)


def accept_damaged_snapshot(context: JobContext) -> None:
    """Set a damaged snapshot aside, end the record of its run, and put daemon.json back.

    Raises:
        HostError: daemon.json cannot be put back.
    """
    docker = attempted(context.engines.docker)
    if isinstance(docker, DockerFacts) and isinstance(docker.unit, EngineUnit):
        context.engine_acts.operator.live_restore_as_before(docker.unit)
    end_damaged(context, Component.DOCKER)
    DockerChangeRecord(context.record.store).set_aside()


def _finish(context: JobContext, snapshot: DockerSnapshot, run: EngineOutcome, *, accepted: bool) -> EngineOutcome:
    docker = attempted(context.engines.docker)
    if was_removed(docker, accepted=accepted):
        return close_removed(context, run, lambda: discard(context), hooked=snapshot.hooked)
    if not isinstance(docker, DockerFacts) or not isinstance(docker.unit, EngineUnit):
        raise HostError("the interrupted upgrade of Docker cannot be finished: the state of docker.service is unknown")
    return perform(context, snapshot, docker.unit, lambda change: change.resume(), run).outcome
