"""Carries out or resumes one change of Docker: measures it, observes how it ended, records the outcome."""

from collections.abc import Callable
from contextlib import nullcontext, suppress

from agent.core.docker.snapshot import DockerSnapshot, Phase
from agent.core.frozen import replace
from agent.core.model.docker import NO_DOCKER, ContainerTimes, DockerFacts, EngineUnit
from agent.core.model.engine_outcome import EngineOutcome, EngineResult
from agent.core.model.facts import Unseen
from agent.errors import HostError
from agent.state.docker_change import DockerChangeRecord
from agent.worker.context import JobContext
from agent.worker.steps.docker.change import Ended, EngineChange
from agent.worker.steps.docker.conclude import conclude
from agent.worker.steps.docker.tools import Tools
from agent.worker.steps.engine_close import Performed, close_change
from agent.worker.steps.engines import attempted


def perform(
    context: JobContext,
    snapshot: DockerSnapshot,
    unit: EngineUnit,
    act: Callable[[EngineChange], Ended],
    started: EngineOutcome,
) -> Performed:
    """Do `act` with the change; record its outcome, and keep snapshot and archives only while they are needed.

    `started` is the run's outcome as it was recorded at its start.

    Raises:
        BusyError, HostError: as `act`; nothing was changed by it, the snapshot is still on record.
    """
    change = EngineChange(_tools(context), snapshot, unit)
    with context.engine_acts.operator.measure() if unit.running else nullcontext() as meter:
        ended = act(change)
        whole = snapshot.phase is Phase.PREPARED  # else the engine may have been down before, too
        down_s = meter.down_s if meter is not None and whole else None
    outcome = close_change(
        context,
        _conclude(context, snapshot, change, ended, down_s),
        started,
        note=_note(snapshot, ended),
        hooked=snapshot.hooked,
        discard=None if ended.keeps_snapshot else lambda: discard(context),
    )
    return Performed(outcome=outcome, clean=not ended.faults)


def _conclude(
    context: JobContext,
    snapshot: DockerSnapshot,
    change: EngineChange,
    ended: Ended,
    down_s: float | None,
) -> EngineOutcome:
    after = attempted(context.engines.docker)
    outcome = conclude(
        snapshot,
        NO_DOCKER if isinstance(after, Unseen) else after,
        ended,
        installed=_installed(context, snapshot),
        times=_times(context, after),
        first_starts=change.containers.first_starts,
        engine_down_s=down_s,
        started=change.containers.started,
        stopped=change.containers.stopped,
        errors={**change.containers.errors, **change.attachments.errors},
        now=context.machine.now(),
    )
    return replace(outcome, finished_at=None) if ended.unfinished else outcome  # a check soon goes on


def _tools(context: JobContext) -> Tools:
    acts = context.engine_acts
    return Tools(
        observer=context.engines,
        operator=acts.operator,
        archives=acts.archives,
        save=lambda snapshot: DockerChangeRecord(context.record.store).save(snapshot, context.machine.now()),
        control=context.control,
        run_weave=context.weave_acts.router.run_script,
        boot_id=acts.host.boot_id(),
    )


def _installed(context: JobContext, snapshot: DockerSnapshot) -> dict[str, str]:
    """Return the version of each package; where dpkg's database cannot be read, those of before."""
    states = attempted(context.engine_acts.archives.states)
    if isinstance(states, Unseen):
        return {one.package: one.before for one in snapshot.changes if one.before is not None}
    return {name: version for name, (version, _complete) in states.items()}


def _times(context: JobContext, after: DockerFacts | Unseen) -> dict[str, ContainerTimes]:
    """Return the times of the containers of a running engine."""
    if isinstance(after, Unseen) or not isinstance(after.containers, tuple):
        return {}
    return dict(context.engine_acts.operator.container_times(after.containers))


def _note(snapshot: DockerSnapshot, ended: Ended) -> str:
    """Say what an interrupted run left, where no fault says it."""
    if ended.result is not EngineResult.INTERRUPTED or ended.rollback is not None:
        return ""
    if snapshot.phase is Phase.PREPARED:
        return "interrupted before anything was changed"
    if ended.foreign:
        return "interrupted; somebody else has changed its packages since, and they are left alone"
    return "interrupted; the engine and its packages are those of before"


def discard(context: JobContext) -> None:
    """Remove what was kept for the way back; what stays although it is not needed harms nobody."""
    with suppress(HostError):
        DockerChangeRecord(context.record.store).finish()
        context.engine_acts.archives.forget()
