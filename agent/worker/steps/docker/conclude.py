"""Makes the outcome of a change of Docker from what is seen after it, never from what was planned."""

from collections.abc import Collection, Mapping
from datetime import datetime

from agent.core.docker.restore import restoration
from agent.core.docker.snapshot import DockerSnapshot
from agent.core.docker.verify import downtimes
from agent.core.docker.versions import upstream
from agent.core.model.docker import ContainerTimes, DockerFacts, RunningEngine
from agent.core.model.engine_outcome import EngineOutcome
from agent.core.model.engine_plan import Component, PackageChange
from agent.report.engine_faults import fault_sentences
from agent.worker.steps.docker.change import Ended


def conclude(
    before: DockerSnapshot,
    after: DockerFacts,
    ended: Ended,
    *,
    installed: Mapping[str, str],
    times: Mapping[str, ContainerTimes],
    first_starts: Mapping[str, str],
    engine_down_s: float | None,
    started: Collection[str] = (),
    stopped: Collection[str] = (),
    errors: Mapping[str, str] | None = None,
    now: datetime,
) -> EngineOutcome:
    """Return the outcome of a change: `installed` are all packages' versions after it, `times` the containers'.

    `before` is the snapshot as it was when the job began, `first_starts` is as of `ContainerKeeper`.
    """
    engine = after.engine if isinstance(after.engine, RunningEngine) else None
    failed = "; ".join(f"{name}: {error}" for name, error in sorted((errors or {}).items()))
    return EngineOutcome(
        id=before.run_id,
        component=Component.DOCKER,
        started_at=before.taken_at,
        finished_at=now,
        result=ended.result,
        before=before.running_before,
        target=before.target_version,
        running=upstream(engine.version) if engine else None,
        packages=_changed(before, installed),
        engine_down_s=engine_down_s,
        containers_down=downtimes(before, times, first_starts),
        containers_lost=_lost(before, after),
        containers_started=tuple(sorted(started)),
        containers_stopped=tuple(sorted(stopped)),
        rollback=ended.rollback,
        message="; ".join(part for part in (fault_sentences(ended.faults), failed) if part),
    )


def _changed(before: DockerSnapshot, installed: Mapping[str, str]) -> tuple[PackageChange, ...]:
    """Return the packages whose version is another one now, dependencies of the engine included."""
    found = []
    for change in before.changes:
        now = installed.get(change.package)
        if now != change.before:
            found.append(PackageChange(package=change.package, before=change.before, after=now))
    return tuple(found)


def _lost(before: DockerSnapshot, after: DockerFacts) -> tuple[str, ...]:
    """Return the names of the containers that ran and do not run now; all of them where nothing is known.

    One that the engine restarts at the moment does not run: it has ended, however often it is tried again.
    """
    ran = before.containers or ()
    if not isinstance(after.containers, tuple):
        return tuple(sorted(one.name for one in ran if one.running and not one.swarm_task))
    left = restoration(ran, after.containers, before.announced)
    return tuple(sorted({*left.removed, *left.gone, *(one.name for one in (*left.start, *left.settling))}))
