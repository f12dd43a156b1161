"""What happens before the first change of Docker: plan, space, archives, and the plan once more."""

from collections.abc import Collection

from agent.core.docker.snapshot import DockerSnapshot, Phase
from agent.core.frozen import frozen, replace
from agent.core.job_kinds import JobOption
from agent.core.manifest import Manifest
from agent.core.model.docker import NO_DOCKER, DockerFacts, EngineUnit, RunningEngine
from agent.core.model.engine_plan import Block, EnginePlan, EngineStep, EngineWhy, Fate
from agent.core.model.facts import Unseen
from agent.core.model.weave import NO_WEAVE
from agent.errors import HostError, NoSpaceError, PlanChangedError
from agent.state.docker_change import DockerChangeRecord
from agent.worker.context import JobContext
from agent.worker.steps.docker.take import keep_archives
from agent.worker.steps.engine_upgrade import NotNowError
from agent.worker.steps.engines import attempted, plan_docker_upgrade

Options = Collection[JobOption]
Kept = tuple[dict[str, str], dict[str, str]]
"""Archives of before and after, as file name by package."""


@frozen
class Prospect:
    """Docker as it is, and what an upgrade would do."""

    docker: DockerFacts
    plan: EnginePlan


def look(context: JobContext, options: Options) -> Prospect | None:
    """Observe and plan; None: Docker is neither installed nor wanted.

    Raises:
        NotNowError: Docker could not be observed.
    """
    docker = attempted(context.engines.docker)
    if isinstance(docker, Unseen):
        raise NotNowError(Block(why=EngineWhy.UNRESPONSIVE, values=(docker.reason,)))
    weave = attempted(lambda: context.engines.weave(docker))
    connected = NO_WEAVE if isinstance(weave, Unseen) else weave
    plan = plan_docker_upgrade(context, docker, connected, options)
    if plan is None:
        return None
    if EngineStep.UPGRADE_WEAVE_FIRST in plan.order:  # what the plan would say if Weave stayed as it is
        alone = replace(context, manifest=_without_weave(context.manifest))
        plan = plan_docker_upgrade(alone, docker, connected, options) or plan
    return Prospect(docker=docker, plan=plan)


def unfinished_failure(context: JobContext, options: Options, docker: DockerFacts) -> Block | None:
    """Return what blocks while an upgrade that needed attention is not accepted by a person; None: nothing does.

    With `AFTER_FAILURE` it is accepted, provided that the engine runs again, if it ran before that upgrade.
    """
    snapshot = DockerChangeRecord(context.record.store).load()
    if snapshot is None or snapshot.phase is not Phase.FAILED:
        return None
    if JobOption.AFTER_FAILURE in options and _is_well(snapshot, docker):
        if snapshot.switch_live_restore and isinstance(docker.unit, EngineUnit):
            context.engine_acts.operator.live_restore_as_before(docker.unit)
        DockerChangeRecord(context.record.store).finish()
        return None
    return Block(why=EngineWhy.FAILED_BEFORE, values=(snapshot.run_id,))


def require_space(context: JobContext, plan: EnginePlan, options: Options) -> None:
    """Check that apt would still do what is planned, and that it fits on the disk.

    Raises:
        NotNowError: it does not fit, or apt cannot plan. PlanChangedError: apt would do something else.
    """
    if not plan.packages:
        return
    targets = {one.package: one.after for one in plan.packages if one.after is not None}
    held = tuple(targets) if JobOption.CHANGE_HELD in options else ()
    simulation = attempted(lambda: context.engine_packages.simulate(targets, held))
    if isinstance(simulation, Unseen):
        raise NotNowError(Block(why=EngineWhy.BROKEN_DEPENDENCY, values=(simulation.reason,)))
    if set(simulation.changes) != set(plan.packages):
        raise PlanChangedError(f"apt would change other packages than planned {simulation.problem}".strip())
    try:
        context.engine_acts.host.require_space(
            download_bytes=simulation.download_bytes, installed_bytes=simulation.installed_bytes
        )
    except NoSpaceError as error:
        raise NotNowError(Block(why=EngineWhy.NO_SPACE, values=(str(error),))) from error


def keep(context: JobContext, plan: EnginePlan) -> Kept:
    """Keep the archives of before and after.

    Raises:
        NotNowError: one cannot be had.
    """
    if not plan.packages:
        return {}, {}
    context.control.step("downloading the new packages, keeping the present ones")
    try:
        before, after = keep_archives(context.engine_acts.archives, plan.packages)
    except HostError as error:
        raise NotNowError(Block(why=EngineWhy.DOWNLOAD_FAILED, values=(str(error),))) from error
    return dict(before), dict(after)


def require_same(first: EnginePlan, now: Prospect | None) -> Prospect:
    """Return what was planned last, right before the change, if it is what was agreed to.

    Raises:
        NotNowError: something blocks it by now. PlanChangedError: it is another plan.
    """
    if now is None:
        raise PlanChangedError("Docker was removed meanwhile; nothing was changed")
    if now.plan.blocked:
        raise NotNowError(*now.plan.blocked)
    removes = {one.name for one in now.plan.containers if one.will is Fate.IS_REMOVED}
    agreed = {one.name for one in first.containers if one.will is Fate.IS_REMOVED}
    work = (first.packages, first.restart_needed, first.running)
    if removes - agreed or (now.plan.packages, now.plan.restart_needed, now.plan.running) != work:
        raise PlanChangedError("the plan changed while the upgrade was prepared; nothing was changed")
    return now


def _is_well(failed: DockerSnapshot, docker: DockerFacts) -> bool:
    complete = all(one.complete for one in docker.packages)
    return docker != NO_DOCKER and complete and (not failed.unit_active or isinstance(docker.engine, RunningEngine))


def _without_weave(manifest: Manifest) -> Manifest:
    return replace(manifest, weave_version=None)
