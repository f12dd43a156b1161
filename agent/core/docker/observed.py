"""What was observed of Docker, as a plan that changes nothing: versions, and whether a restart is pending. Pure."""

from datetime import datetime

from agent.core.docker.versions import LATEST, matches, parse_request, upstream
from agent.core.model.docker import DockerFacts, RunningEngine
from agent.core.model.engine_plan import Component, EnginePlan, EngineWarning, Notice
from agent.core.model.facts import Unseen

ENGINE_PACKAGES = ("docker-ce", "docker.io", "docker-ee", "moby-engine", "docker-engine")
"""Packages that have dockerd."""


def observed_docker(facts: DockerFacts, seen_at: datetime, *, wanted: str | None = None) -> EnginePlan:
    """Return the versions of Docker, with `restart_pending`; nothing is decided about an upgrade."""
    package = next((found for name in ENGINE_PACKAGES if (found := facts.version_of(name))), None)
    engine = facts.engine
    running = upstream(engine.version) if isinstance(engine, RunningEngine) else None
    pending = isinstance(engine, RunningEngine) and _behind(engine, package)
    notices = []
    if isinstance(facts.containers, Unseen):
        notices.append(Notice(code=EngineWarning.CONTAINERS_UNKNOWN, values=(facts.containers.reason,)))
    if pending and package and running:
        notices.append(Notice(code=EngineWarning.RESTART_PENDING, values=(upstream(package), running)))
    return EnginePlan(
        component=Component.DOCKER,
        seen_at=seen_at,
        flavour=facts.flavour.value,
        installed=upstream(package) if package else None,
        running=running,
        running_known=not isinstance(engine, Unseen) and not isinstance(facts.unit, Unseen),
        wanted=wanted,
        candidate=_satisfied(wanted, package),
        restart_needed=pending,
        restart_pending=pending,
        warnings=tuple(notices),
    )


def _behind(engine: RunningEngine, package: str | None) -> bool:
    """Whether an older engine than the installed one runs; a replaced executable proves it for equal versions."""
    return engine.executable_replaced is True or (package is not None and upstream(engine.version) != upstream(package))


def _satisfied(wanted: str | None, package: str | None) -> str | None:
    """Return the installed version where it is the wanted one; whether it is the latest one is not known here."""
    if wanted is None or package is None or wanted == LATEST:
        return None
    try:
        return upstream(package) if matches(parse_request(wanted), package) else None
    except ValueError:
        return None
