"""Decides what an upgrade of Docker would do now. Pure: what it needs from apt is handed in."""

from datetime import datetime

from agent.core.docker.fate import Restart, killed, left_to_engine, stop_limit_s, stopped_first
from agent.core.docker.forecast import container_forecasts, engine_downtime
from agent.core.docker.notices import (
    end_of_life,
    named_with,
    restart_notices,
    starting_api,
    weave_opens_gate,
)
from agent.core.docker.observed import observed_docker
from agent.core.docker.packages import MAIN, RESTARTS_ENGINE, DockerOptions, PackagePorts, Resolved, resolve
from agent.core.frozen import replace
from agent.core.manifest import Manifest
from agent.core.model.docker import Container, DockerFacts, EngineUnit, Flavour, RunningEngine, SwarmState
from agent.core.model.engine_plan import (
    Block,
    ContainerForecast,
    Downtime,
    EnginePlan,
    EngineStep,
    EngineWarning,
    EngineWhy,
    Fate,
    Notice,
)
from agent.core.model.facts import Unseen
from agent.core.model.weave import WeaveFacts
from agent.core.weave.api_gate import api_gate, weave_api


def plan_docker(
    facts: DockerFacts,
    weave: WeaveFacts,
    manifest: Manifest,
    ports: PackagePorts,
    options: DockerOptions,
    seen_at: datetime,
) -> EnginePlan:
    """Return the plan; it changes nothing. Raises HostError from the ports."""
    wanted = manifest.docker_version
    base = observed_docker(facts, seen_at, wanted=wanted)
    if facts.flavour not in MAIN:
        if wanted is None and facts.flavour is Flavour.NONE:
            return base
        values = (facts.flavour.value, *(one.value for one in facts.found))
        blocked = (Block(why=EngineWhy.UNSUPPORTED_FLAVOUR, values=values),) if wanted else ()
        return replace(base, restart_needed=False, blocked=blocked)
    resolved = resolve(facts, wanted, ports, options) if wanted else Resolved()
    runs = isinstance(facts.unit, EngineUnit) and facts.unit.running
    engine_changes = any(one.package == MAIN[facts.flavour] for one in resolved.changes)
    plan = replace(
        base,
        candidate=resolved.candidate,
        packages=resolved.changes,
        restart_needed=runs and (engine_changes or base.restart_pending),
        blocked=resolved.blocks,
    )
    plan = replace(plan, warnings=(*plan.warnings, *end_of_life(plan)), restart=_restart_forecast(facts, options))
    if not plan.packages and not plan.restart_needed:
        return plan
    return _with_restart(_with_gate(plan, facts, weave, manifest), facts, options, major=resolved.major_downgrade)


def _with_gate(plan: EnginePlan, facts: DockerFacts, weave: WeaveFacts, manifest: Manifest) -> EnginePlan:
    """Block where the new engine refuses Weave's API version, or put Weave first where its wanted version helps."""
    present = weave_api(weave)
    api = starting_api(plan, facts)
    block = api_gate(api, present) if present is not None and api.version else None
    if present is None or block is None:
        return plan
    if weave_opens_gate(api, weave, present, manifest.weave_version):
        return replace(plan, order=(EngineStep.UPGRADE_WEAVE_FIRST,))
    return replace(plan, blocked=(*plan.blocked, block))


def _switches(facts: DockerFacts, options: DockerOptions) -> bool:
    """Whether an upgrade switches live-restore on first; a swarm excludes it."""
    engine = facts.engine
    if not options.live_restore or not isinstance(engine, RunningEngine):
        return False
    return not facts.keeps_containers and engine.swarm is SwarmState.INACTIVE


def _restart_of(facts: DockerFacts, options: DockerOptions, starting: str | None, *, by_package: bool) -> Restart:
    unit = facts.unit
    return Restart(
        starting=starting or "",
        live_restore=facts.keeps_containers or _switches(facts, options),
        by_package=by_package,
        unit_limit_s=unit.stop_timeout_s if isinstance(unit, EngineUnit) else None,
    )


def _restart_forecast(facts: DockerFacts, options: DockerOptions) -> Downtime | None:
    if facts.engine is None or not isinstance(facts.containers, tuple):
        return None
    restart = _restart_of(facts, options, facts.version_of(MAIN[facts.flavour]), by_package=False)
    return engine_downtime(facts.containers, restart)


def _with_restart(plan: EnginePlan, facts: DockerFacts, options: DockerOptions, *, major: bool) -> EnginePlan:
    containers = facts.containers if isinstance(facts.containers, tuple) else ()
    by_package = any(one.package == RESTARTS_ENGINE for one in plan.packages)
    restart = _restart_of(facts, options, plan.candidate or plan.installed, by_package=by_package)
    known = plan.restart_needed and isinstance(facts.containers, tuple)
    forecast = container_forecasts(containers, restart) if known else ()
    blocks = [*plan.blocked, *_blocks(plan, facts, options, restart, forecast)]
    warnings = [*plan.warnings, *restart_notices(plan, facts, restart, forecast)]
    if major:
        warnings.append(Notice(code=EngineWarning.MAJOR_DOWNGRADE, values=(plan.installed or "", plan.candidate or "")))
    return replace(
        plan,
        downtime=engine_downtime(containers, restart) if known else None,
        containers=forecast,
        blocked=tuple(blocks),
        warnings=tuple(warnings),
        order=(*plan.order, *_order(plan, containers, restart, forecast, switches=_switches(facts, options))),
    )


def _blocks(
    plan: EnginePlan,
    facts: DockerFacts,
    options: DockerOptions,
    restart: Restart,
    forecast: tuple[ContainerForecast, ...],
) -> list[Block]:
    found = []
    unfinished = tuple(one.package for one in facts.packages if not one.complete)
    if unfinished:
        found.append(Block(why=EngineWhy.DPKG_UNFINISHED, values=unfinished))
    found += _config_blocks(facts)
    unseen = next((one for one in (facts.unit, facts.engine, facts.containers) if isinstance(one, Unseen)), None)
    if unseen is not None:
        found.append(Block(why=EngineWhy.UNRESPONSIVE, values=(unseen.reason,)))
    if not plan.restart_needed:
        return found
    if isinstance(facts.engine, RunningEngine) and facts.engine.swarm is not SwarmState.INACTIVE:
        found.append(Block(why=EngineWhy.SWARM, values=(facts.engine.swarm.value,)))
    removed = named_with(forecast, Fate.IS_REMOVED)
    if removed and not options.remove_containers:
        found.append(Block(why=EngineWhy.REMOVES_CONTAINERS, values=removed))
    containers = facts.containers if isinstance(facts.containers, tuple) else ()
    if killed(containers, restart):
        found.append(Block(why=EngineWhy.SLOW_STOP, values=_over_limit(containers, restart)))
    return found


def _config_blocks(facts: DockerFacts) -> list[Block]:
    if isinstance(facts.config, Unseen):
        return [Block(why=EngineWhy.CONFIG_UNREADABLE, values=(facts.config.reason,))]
    problem = facts.config.problem
    return [Block(why=EngineWhy.CONFIG_INVALID, values=(f"/etc/docker/daemon.json: {problem}",))] if problem else []


def _order(
    plan: EnginePlan,
    containers: tuple[Container, ...],
    restart: Restart,
    forecast: tuple[ContainerForecast, ...],
    *,
    switches: bool,
) -> list[EngineStep]:
    steps = (
        (EngineStep.SAVE, True),
        (EngineStep.DOWNLOAD, bool(plan.packages)),
        (EngineStep.LIVE_RESTORE, plan.restart_needed and switches),
        (EngineStep.INSTALL, bool(plan.packages)),
        (EngineStep.VALIDATE, bool(plan.packages) and plan.restart_needed),
        (EngineStep.STOP_SLOW, plan.restart_needed and bool(stopped_first(containers, restart))),
        (EngineStep.RESTART, plan.restart_needed),
        (EngineStep.START, bool(named_with(forecast, Fate.NEEDS_START))),
        (EngineStep.VERIFY, True),
    )
    return [step for step, needed in steps if needed]


def _over_limit(containers: tuple[Container, ...], restart: Restart) -> tuple[str, ...]:
    limit = stop_limit_s(restart)
    left = left_to_engine(containers, restart)
    return tuple(one.name for one in left if one.handles_stop is False and one.stop_timeout_s >= limit)
