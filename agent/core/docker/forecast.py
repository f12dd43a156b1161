"""Forecasts the downtime of the engine and of each container. Pure. Durations are seconds.

With live-restore off the engine starts no container before the last one has ended: its own downtime is that of the
slowest stop that is left to it, plus its start. Figures are from runs with 20.10.24, 26.1.5 and 28.5.2.
"""

from agent.core.docker.fate import Restart, fate, killed, left_to_engine, stopped_first
from agent.core.frozen import frozen
from agent.core.model.docker import Container, RestartPolicy
from agent.core.model.engine_plan import ContainerForecast, Downtime, Fate

ENGINE_LOW_S, ENGINE_HIGH_S = 0.5, 6.0
"""Stop and start of an engine without slow containers: 0.99 with live-restore, 2.58 with ten good containers."""
CONTAINER_HIGH_S = 0.1
"""More for each running container, at most."""
WEAVE_S = 15.0
"""An engine that starts waits that long for Weave's plugin: once for the network, once for each `--net=weave`
container that ran, and once more for each of them that the engine starts itself. Measured with three of them, two with
a restart policy, and 15 s for the stop: 107 s (20.10.24) and 105 s (26.1.5); 5 s with live-restore."""
WEAVE_START_S = 30.0
"""Weave's router takes at most that long until a container can use its network."""
STOP_SLACK_S = 3.0
"""A container that the agent stops ends that much after its timeout at most."""
CONTAINER_LEAD_S = 0.3
"""A container may end that much later than the engine begins to stop, or be started before the engine answers."""
CONFIGURE_HIGH_S = 5.0
"""Where a postinst restarts the engine, dpkg takes at most that long to get there after the slow containers' stop."""
AGENT_START_HIGH_S = 3.0
"""The agent compares the containers and starts those that the engine did not; 1 s more for each."""


@frozen
class Span:
    """At least `low` and at most `high`."""

    low: float = 0.0
    high: float = 0.0

    def __add__(self, other: "Span") -> "Span":
        return Span(low=self.low + other.low, high=self.high + other.high)


def engine_downtime(containers: tuple[Container, ...], restart: Restart) -> Downtime:
    """Return how long no engine answers, and what that was computed from."""
    span = _stop(containers, restart) + _start(containers, restart)
    return Downtime(low_s=round(span.low, 1), high_s=round(span.high, 1), basis=_basis(containers, restart))


def container_forecasts(containers: tuple[Container, ...], restart: Restart) -> tuple[ContainerForecast, ...]:
    """Return what happens to each container, with its own downtime."""
    dead = killed(containers, restart)
    fates = {one.id: fate(one, restart, engine_killed=dead) for one in containers}
    by_agent = sum(will is Fate.NEEDS_START for will in fates.values())
    return tuple(_forecast(one, fates[one.id], containers, restart, by_agent) for one in containers)


def _forecast(
    one: Container, will: Fate, containers: tuple[Container, ...], restart: Restart, by_agent: int
) -> ContainerForecast:
    span = Span()
    if will in {Fate.RESTARTS, Fate.NEEDS_START} and one.state != "restarting":
        span = _wait(one, containers, restart) + _start(containers, restart) + Span(low=-CONTAINER_LEAD_S)
        if will is Fate.NEEDS_START:
            span += Span(high=AGENT_START_HIGH_S + by_agent)
        if one.on_weave_network:
            span += Span(high=WEAVE_START_S)
    return ContainerForecast(
        id=one.id,
        name=one.name,
        state=one.state,
        policy=one.policy.value,
        will=will,
        low_s=round(span.low, 1),
        high_s=round(span.high, 1),
    )


def _stop(containers: tuple[Container, ...], restart: Restart) -> Span:
    """Return how long the engine's own stop takes beyond that of containers that handle the stop signal."""
    left = left_to_engine(containers, restart)
    sure = max((one.stop_timeout_s for one in left if one.handles_stop is False), default=0)
    perhaps = max((one.stop_timeout_s for one in left if one.handles_stop is not True), default=0)
    return Span(low=_with_kill(sure, restart), high=_with_kill(perhaps, restart))


def _with_kill(timeout_s: float, restart: Restart) -> float:
    """Return a stop's duration; systemd kills the engine at the limit, and the new one stops the container once more.

    Measured: 212.5 s for a stop timeout of 120 s and a limit of 90 s.
    """
    limit = restart.unit_limit_s
    return timeout_s if limit is None or timeout_s < limit else limit + timeout_s


def _wait(one: Container, containers: tuple[Container, ...], restart: Restart) -> Span:
    """Return how long a container that has ended waits until the engine begins to start."""
    first = stopped_first(containers, restart)
    stop = _stop(containers, restart)
    if one in first:  # all are stopped at once, and each is killed at its own timeout
        longest = max(other.stop_timeout_s for other in first) - one.stop_timeout_s
        dpkg = CONFIGURE_HIGH_S if restart.by_package else 0.0
        return Span(low=longest, high=longest + STOP_SLACK_S + dpkg) + stop
    if one.handles_stop is True or restart.live_restore:
        return stop
    own = _with_kill(one.stop_timeout_s, restart) if one.stop_timeout_s < (restart.unit_limit_s or 1e9) else 0.0
    return Span(low=max(stop.low - own, 0.0), high=stop.high)


def _start(containers: tuple[Container, ...], restart: Restart) -> Span:
    running = sum(one.running for one in containers)
    weave = Span() if restart.live_restore else _weave_wait(containers)
    return Span(low=ENGINE_LOW_S, high=ENGINE_HIGH_S + CONTAINER_HIGH_S * running) + weave


def _weave_wait(containers: tuple[Container, ...]) -> Span:
    attached = [one for one in containers if one.on_weave_network]
    running = [one for one in attached if one.running]
    if not running:
        return Span()
    again = sum(one.policy is not RestartPolicy.NO for one in running)
    perhaps = sum(one.policy is not RestartPolicy.NO for one in attached) + 1
    return Span(low=WEAVE_S * (1 + len(running) + again), high=WEAVE_S * (1 + len(running) + perhaps))


def _weave(containers: tuple[Container, ...]) -> int:
    return sum(one.running and one.on_weave_network for one in containers)


def _basis(containers: tuple[Container, ...], restart: Restart) -> tuple[str, ...]:
    if restart.live_restore:
        return ("live-restore",)
    left = left_to_engine(containers, restart)
    counts = (
        ("running-containers", sum(one.running for one in containers)),
        ("slow-stopped-first", len(stopped_first(containers, restart))),
        ("slow-containers", sum(one.handles_stop is False for one in left)),
        ("unknown-stop", sum(one.handles_stop is None for one in left)),
        ("weave-containers", _weave(containers)),
    )
    dead = killed(containers, restart)
    found = [f"{code} {count}" for code, count in counts if count]
    return tuple(found if dead is False else [*found, "engine-killed" if dead else "engine-perhaps-killed"])
