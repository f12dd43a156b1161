"""What an operator should know ahead of an upgrade of Docker that is not blocked by it. Pure."""

from agent.core.docker.fate import Restart
from agent.core.docker.restore import revived
from agent.core.docker.support import support_end
from agent.core.model.docker import Container, DaemonConfig, DockerFacts, EngineUnit, Flavour, RunningEngine
from agent.core.model.engine_plan import ContainerForecast, EnginePlan, EngineWarning, Fate, Notice
from agent.core.model.weave import WeaveFacts
from agent.core.version_numbers import version_numbers
from agent.core.weave.api_gate import DockerApi, WeaveApi, api_gate, oldest_accepted
from agent.core.weave.releases import release_of


def end_of_life(plan: EnginePlan) -> tuple[Notice, ...]:
    """Return a warning if nobody fixes the version that is installed after the plan.

    A distribution keeps its docker.io itself, so only the packages of Docker Inc. have an end.
    """
    version = plan.candidate or plan.installed
    if plan.flavour != Flavour.DOCKER_CE.value or version is None:
        return ()
    found = support_end(version, plan.seen_at.date())
    if found is None:
        return ()
    ended = found.ended.isoformat() if found.ended else ""
    return (Notice(code=EngineWarning.END_OF_LIFE, values=(plan.component.value, version, ended)),)


def restart_notices(
    plan: EnginePlan, facts: DockerFacts, restart: Restart, forecast: tuple[ContainerForecast, ...]
) -> tuple[Notice, ...]:
    """Return what a restart does to clients and containers; of a stopped engine only that it stays stopped."""
    unit = facts.unit
    if isinstance(unit, EngineUnit) and not unit.running:
        return (Notice(code=EngineWarning.UNIT_STOPPED, values=(unit.active_state, unit.unit_file_state)),)
    containers = facts.containers if isinstance(facts.containers, tuple) else ()
    slow = tuple(one.name for one in containers if one.running and one.handles_stop is False)
    named = (
        (EngineWarning.API_GAP, _api_gap(plan, facts)),
        (EngineWarning.REVIVES_STOPPED, tuple(one.name for one in containers if revived(one))),
        (EngineWarning.NEEDS_START, named_with(forecast, Fate.NEEDS_START)),
        (EngineWarning.REMOVES, named_with(forecast, Fate.IS_REMOVED)),
        (EngineWarning.SLOW_STOP, () if restart.live_restore else slow),
        (EngineWarning.PUBLISHED_PORTS, _published(containers, forecast)),
        (EngineWarning.WEAVE_NETWORK, () if restart.live_restore else _on_weave(containers)),
    )
    found = [Notice(code=code, values=values) for code, values in named if values]
    if forecast and not restart.live_restore and any(one.running for one in containers):
        found.append(Notice(code=EngineWarning.LIVE_RESTORE_OFF))
    return tuple(found)


def named_with(forecast: tuple[ContainerForecast, ...], will: Fate) -> tuple[str, ...]:
    """Return the names of the containers with this fate."""
    return tuple(sorted(one.name for one in forecast if one.will is will))


def starting_api(plan: EnginePlan, facts: DockerFacts) -> DockerApi:
    """Return the engine that would start."""
    configured = facts.config.min_api_version if isinstance(facts.config, DaemonConfig) else ""
    return DockerApi(version=plan.candidate or plan.installed or "", configured_min=configured)


def weave_opens_gate(docker: DockerApi, weave: WeaveFacts, present: WeaveApi, wanted: str | None) -> bool:
    """Whether the release of the installed vendor that a manifest's version stands for works with this engine."""
    release = release_of(wanted, weave.vendor) if wanted and weave.vendor else None
    return release is not None and api_gate(docker, WeaveApi(version=release, configured=present.configured)) is None


def _api_gap(plan: EnginePlan, facts: DockerFacts) -> tuple[str, ...]:
    engine = facts.engine
    if not isinstance(engine, RunningEngine) or not plan.restart_needed:
        return ()
    oldest = oldest_accepted(starting_api(plan, facts))
    return (oldest,) if version_numbers(oldest) > version_numbers(engine.min_api_version) > () else ()


def _published(containers: tuple[Container, ...], forecast: tuple[ContainerForecast, ...]) -> tuple[str, ...]:
    """Return the containers that run on: the port's proxy, or the firewall's rules, go with the engine (D5)."""
    run_on = set(named_with(forecast, Fate.KEEPS_RUNNING))
    return tuple(sorted(one.name for one in containers if one.published and one.name in run_on))


def _on_weave(containers: tuple[Container, ...]) -> tuple[str, ...]:
    count = sum(one.running and one.on_weave_network for one in containers)
    return (str(count),) if count else ()
