"""What a restart of the engine does to each container. Pure.

Source: runs with 20.10.24, 26.1.5 and 28.5.2. The engine leaves policy `no` and an `on-failure` that ended with 0
stopped, leaves `unless-stopped` stopped after a SIGKILL of dockerd or after `docker stop`, starts `always`, and an
`on-failure` that ended otherwise, again even where the owner had stopped it, and cannot start containers with
`--net=weave` before Weave's router runs.
"""

from agent.core.docker.restore import slow_first
from agent.core.frozen import frozen
from agent.core.model.docker import NO_STOP_LIMIT_S, Container, RestartPolicy, WeaveAttachment
from agent.core.model.engine_plan import Fate
from agent.core.version_numbers import version_numbers

_KEEPS_AUTO_REMOVED = (26,)
"""From this version on a starting engine keeps running `--rm` containers with live-restore; 20.10.24 removes them."""
_LOOPING = "restarting"


@frozen
class Restart:
    """One restart of the engine."""

    starting: str
    """Upstream version of the engine that starts."""
    live_restore: bool = False
    stops_slow_first: bool = True
    """Whether slow containers are stopped ahead, as the agent does; by hand none is."""
    by_package: bool = False
    """Whether a postinst restarts the engine, so that dpkg configures packages between these stops and the restart."""
    unit_limit_s: float | None = 90.0
    """TimeoutStopUSec of the unit; None: no limit."""


def stopped_first(containers: tuple[Container, ...], restart: Restart) -> tuple[Container, ...]:
    """Return the containers that the agent stops ahead of the engine, the slowest first."""
    return slow_first(containers) if restart.stops_slow_first and not restart.live_restore else ()


def left_to_engine(containers: tuple[Container, ...], restart: Restart) -> tuple[Container, ...]:
    """Return the containers that the stopping engine has to stop."""
    if restart.live_restore:
        return ()
    first = {one.id for one in stopped_first(containers, restart)}
    return tuple(one for one in containers if one.running and one.id not in first)


def killed(containers: tuple[Container, ...], restart: Restart) -> bool | None:
    """Whether a container's stop takes longer than the unit's, so that systemd kills the engine; None: perhaps."""
    limit = stop_limit_s(restart)
    over = [one for one in left_to_engine(containers, restart) if one.stop_timeout_s >= limit]
    if any(one.handles_stop is False for one in over):
        return True
    return None if any(one.handles_stop is None for one in over) else False


def stop_limit_s(restart: Restart) -> float:
    """Return how long the unit's stop may take; a container without limit is longer than any unit's."""
    return NO_STOP_LIMIT_S if restart.unit_limit_s is None else restart.unit_limit_s


def fate(container: Container, restart: Restart, *, engine_killed: bool | None = False) -> Fate:
    """Return what happens to one container; `engine_killed` as from `killed`."""
    if not container.running:
        return Fate.STOPS
    if container.auto_remove and not _keeps_auto_removed(restart):
        return Fate.IS_REMOVED
    if restart.live_restore:
        return Fate.KEEPS_RUNNING
    if container.swarm_task:
        return Fate.STOPS
    return Fate.RESTARTS if _comes_back(container, restart, engine_killed=engine_killed) else Fate.NEEDS_START


def _keeps_auto_removed(restart: Restart) -> bool:
    return restart.live_restore and version_numbers(restart.starting) >= _KEEPS_AUTO_REMOVED


def _comes_back(container: Container, restart: Restart, *, engine_killed: bool | None) -> bool:
    """Whether the engine itself is sure to start a container that ran."""
    if container.weave is WeaveAttachment.NETWORK:
        return False
    if container.state == _LOOPING:
        return container.policy is not RestartPolicy.NO
    slow = container.handles_stop is False
    if container.policy is RestartPolicy.UNLESS_STOPPED:
        return engine_killed is False and container not in stopped_first((container,), restart)
    if container.policy is RestartPolicy.ON_FAILURE:
        return slow  # killed at its timeout, it ends with 137; else its exit code is its own affair
    return container.policy is RestartPolicy.ALWAYS
