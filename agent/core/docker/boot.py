"""Which of the running containers run again after a reboot: Docker starts them by policy, the agent none. Pure."""

from agent.core.docker.fate import Restart, fate, killed
from agent.core.frozen import frozen
from agent.core.model.docker import Container, DockerFacts, EngineUnit
from agent.core.model.engine_plan import Fate


@frozen
class BootFate:
    """The containers that run now."""

    again: tuple[Container, ...] = ()
    """Docker starts them at its start."""
    left: tuple[Container, ...] = ()
    """Nobody starts them, or they are removed (`--rm`)."""


def after_boot(facts: DockerFacts) -> BootFate:
    """Return what becomes of the containers; nothing where they are not known."""
    if not isinstance(facts.containers, tuple):
        return BootFate()
    limit = facts.unit.stop_timeout_s if isinstance(facts.unit, EngineUnit) else None
    # live-restore does not outlast a reboot, and nobody stops slow containers first.
    restart = Restart(starting="", stops_slow_first=False, unit_limit_s=limit)
    by_force = killed(facts.containers, restart)
    running = [one for one in facts.containers if one.running]
    again = tuple(one for one in running if fate(one, restart, engine_killed=by_force) is Fate.RESTARTS)
    return BootFate(again=again, left=tuple(one for one in running if one not in again))
