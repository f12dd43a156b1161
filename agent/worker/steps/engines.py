"""Observes Docker and Weave, and plans their upgrades. A failure is part of the result: it fails no check."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from agent.config.windows import window_of
from agent.core.docker.held_fixes import held_fixes
from agent.core.docker.observed import observed_docker
from agent.core.docker.packages import DockerOptions, PackagePorts
from agent.core.docker.plan import plan_docker
from agent.core.frozen import replace
from agent.core.job_kinds import JobOption
from agent.core.model.docker import NO_DOCKER, DockerFacts, Flavour
from agent.core.model.engine_plan import Block, Component, EnginePlan, EngineWhy, HeldFix
from agent.core.model.facts import Unseen
from agent.core.model.plan import Held
from agent.core.model.weave import NO_WEAVE, WeaveFacts
from agent.core.packages.snoozes import snoozed_names
from agent.core.redact import redact
from agent.core.schedule.engine_windows import engine_window, needed_time
from agent.core.schemas import Document
from agent.core.weave.plan import WeaveOptions, weave_plan
from agent.errors import AgentError, ExitCode
from agent.host.machine.local_zone import local_zone
from agent.host.machine.os_release import read_distro
from agent.report.engine_reasons import block_sentence, warning_sentence
from agent.state.documents.engine_plan import (
    EngineSentences,
    engine_plan_to_document,
    held_fixes_from_document,
    unseen_engine_to_document,
)
from agent.state.json_reader import JsonReader
from agent.worker.context import JobContext
from agent.worker.protocol import JobAnswer
from agent.worker.steps.lost_containers import with_lost
from agent.worker.steps.waiting import snoozes_in_force

SENTENCES = EngineSentences(block=block_sentence, warning=warning_sentence)
_FAILURES = (AgentError, OSError, ValueError, LookupError, TypeError, AttributeError)
"""What an adapter may raise where an engine's answer is malformed."""
_T = TypeVar("_T")


def observe_engines(context: JobContext, held: Sequence[Held] = ()) -> Mapping[str, Document | None]:
    """Return `maestro.engine-plan/1` by component; None: neither installed nor wanted.

    `held` are the held updates of the same check. On a machine without Docker and Weave this costs a few calls of
    stat(2).
    """
    plans = dict(plan_engines(context))
    docker = plans[Component.DOCKER]
    if held and isinstance(docker, EnginePlan):
        fixes = held_fixes(docker, held, context.record.held_fixes(), context.machine.now())
        plans[Component.DOCKER] = replace(docker, held_fixes=fixes)
    return {component.value: engine_document(context, component, plan) for component, plan in plans.items()}


def fixes_in(engines: Mapping[str, Document | None]) -> tuple[HeldFix, ...]:
    """Return the held fixes in documents of `observe_engines`."""
    docker = engines.get(Component.DOCKER.value)
    return held_fixes_from_document(JsonReader(docker, Component.DOCKER.value)) if docker else ()


def planned_answer(
    context: JobContext, component: Component, options: Collection[JobOption] = frozenset()
) -> JobAnswer:
    """Return the plan of one component as the answer of a job."""
    plan = plan_engines(context, options)[component]
    document = engine_document(context, component, plan)
    if document is None:
        now = context.machine.now()
        absent = EnginePlan(component=component, seen_at=now, flavour=Flavour.NONE.value, installed=None, running=None)
        document = engine_plan_to_document(absent, now, SENTENCES)
    if isinstance(plan, Unseen):
        return JobAnswer(exit_code=ExitCode.STALE, document=document)
    code = ExitCode.OK if plan is None or plan.nothing_to_do else ExitCode.ATTENTION
    return JobAnswer(exit_code=code, document=document)


def plan_engines(
    context: JobContext, options: Collection[JobOption] = frozenset()
) -> Mapping[Component, EnginePlan | Unseen | None]:
    """Observe both and plan what an explicit upgrade of each would do now; None: neither installed nor wanted."""
    docker = attempted(context.engines.docker)
    known = NO_DOCKER if isinstance(docker, Unseen) else docker
    weave = attempted(lambda: context.engines.weave(known))
    connected = NO_WEAVE if isinstance(weave, Unseen) else weave
    plans = {
        Component.DOCKER: docker
        if isinstance(docker, Unseen)
        else plan_docker_upgrade(context, docker, connected, options),
        Component.WEAVE: weave if isinstance(weave, Unseen) else plan_weave_upgrade(context, weave, known, options),
    }
    return {
        component: with_lost(context.record, plan, known) if isinstance(plan, EnginePlan) else plan
        for component, plan in plans.items()
    }


def plan_docker_upgrade(
    context: JobContext, facts: DockerFacts, weave: WeaveFacts, options: Collection[JobOption]
) -> EnginePlan | None:
    """Plan an upgrade of Docker from an observation; None: neither installed nor wanted."""
    manifest, now = context.manifest, context.machine.now()
    if facts == NO_DOCKER and manifest.docker_version is None:
        return None
    ports = PackagePorts(offers=context.engine_packages.offers, simulate=context.engine_packages.simulate)
    plan = attempted(lambda: plan_docker(facts, weave, manifest, ports, docker_options(context, options), now))
    if isinstance(plan, Unseen):  # apt: the versions that are installed and run are known all the same
        seen = observed_docker(facts, now, wanted=manifest.docker_version)
        return replace(seen, blocked=(Block(why=EngineWhy.BROKEN_DEPENDENCY, values=(plan.reason,)),))
    plan = _with_snoozes(context, _with_manifest_problem(context, plan))
    return _with_failure(context, plan, options)


def docker_options(context: JobContext, options: Collection[JobOption]) -> DockerOptions:
    """Return what a request and the configuration allow and ask for."""
    return DockerOptions(
        distro=read_distro(),
        allow_downgrade=JobOption.ALLOW_DOWNGRADE in options,
        allow_major_downgrade=JobOption.ALLOW_MAJOR_DOWNGRADE in options,
        remove_containers=JobOption.REMOVE_CONTAINERS in options,
        change_held=JobOption.CHANGE_HELD in options,
        live_restore=JobOption.LIVE_RESTORE in options or context.policy.docker.live_restore,
    )


def plan_weave_upgrade(
    context: JobContext, facts: WeaveFacts, docker: DockerFacts, options: Collection[JobOption]
) -> EnginePlan | Unseen | None:
    """Plan an upgrade of Weave from an observation; None: neither installed nor wanted."""
    manifest, now = context.manifest, context.machine.now()
    if facts == NO_WEAVE and manifest.weave_version is None:
        return None
    plan = attempted(lambda: weave_plan(facts, docker, manifest, now, _weave_options(context, options)))
    if isinstance(plan, Unseen):
        return plan
    return _with_failure(context, _with_manifest_problem(context, plan), options)


def _with_snoozes(context: JobContext, plan: EnginePlan) -> EnginePlan:
    """Add the block of packages that a person has snoozed: they are like packages on hold."""
    names = snoozed_names(
        snoozes_in_force(context, context.machine.now()), (change.package for change in plan.packages)
    )
    return replace(plan, blocked=(*plan.blocked, Block(why=EngineWhy.SNOOZED, values=names))) if names else plan


def _with_failure(context: JobContext, plan: EnginePlan, options: Collection[JobOption]) -> EnginePlan:
    """Add the block of a run that failed and that no person has looked at, also where nothing is left to be done."""
    failed = context.record.failed_engine_run(plan.component)
    if not failed or JobOption.AFTER_FAILURE in options:
        return plan
    return replace(plan, blocked=(Block(why=EngineWhy.FAILED_BEFORE, values=(failed,)), *plan.blocked))


def _weave_options(context: JobContext, options: Collection[JobOption]) -> WeaveOptions:
    policy = context.policy.weave
    return WeaveOptions(
        vendor=policy.vendor,
        sources=[version for version, _ in policy.sha256.by_version] if policy.source else (),
        allow_downgrade=JobOption.ALLOW_DOWNGRADE in options,
        allow_major=JobOption.ALLOW_MAJOR in options,
    )


def _with_manifest_problem(context: JobContext, plan: EnginePlan) -> EnginePlan:
    problem = context.manifest.problem
    block = Block(why=EngineWhy.CONFIG_INVALID, values=(problem,))
    return replace(plan, blocked=(block, *plan.blocked)) if problem else plan


def attempted(observe: Callable[[], _T]) -> _T | Unseen:
    """Return what was observed, or why that failed."""
    try:
        return observe()
    except _FAILURES as error:
        return Unseen(reason=redact(str(error) or type(error).__name__))


def engine_document(context: JobContext, component: Component, seen: EnginePlan | Unseen | None) -> Document | None:
    """Return `maestro.engine-plan/1`; None: neither installed nor wanted."""
    now = context.machine.now()
    if seen is None:
        return None
    if isinstance(seen, Unseen):
        return unseen_engine_to_document(component, seen, now)
    return engine_plan_to_document(_with_window(context, seen), now, SENTENCES)


def _with_window(context: JobContext, plan: EnginePlan) -> EnginePlan:
    """Add the maintenance window that is configured, with its present or next opening."""
    policy = context.policy.docker if plan.component is Component.DOCKER else context.policy.weave
    if not policy.window:
        return plan
    longest = (plan.downtime.high_s if plan.downtime else None) if plan.restart_needed else 0.0
    window = engine_window(window_of(policy.window), needed_time(longest), context.machine.now(), local_zone())
    return replace(plan, window=window)
