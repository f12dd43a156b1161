"""Outcome of an upgrade of Docker or Weave (`maestro.engine-outcome/1`), as frozen values. Durations are seconds."""

from datetime import datetime
from enum import Enum

from agent.core.frozen import frozen
from agent.core.model.engine_plan import Block, Component, EnginePlan, Fate, PackageChange


class EngineResult(Enum):
    """Result of an upgrade, verified on the running engine after it."""

    UNCHANGED = "unchanged"
    UPGRADED = "upgraded"
    RESTARTED = "restarted"
    """No package changed: the engine now runs the version that was installed before."""
    ROLLED_BACK = "rolled-back"
    BLOCKED = "blocked"
    """Nothing was changed."""
    FAILED_NEEDS_ATTENTION = "failed-needs-attention"
    """The agent does not try again; the saved packages and the snapshot are kept."""
    INTERRUPTED = "interrupted"


@frozen
class Rollback:
    """A return to the versions of before."""

    done: bool
    """Whether the packages of before are installed and what runs is theirs, or never stopped; verified."""
    reason: str
    """What made it necessary; with `done` False also why it failed."""


@frozen
class ContainerDowntime:
    """How long one container did not run."""

    name: str
    down_s: float | None
    """None: unknown, as of one that was down more than once, or still down."""


@frozen
class ContainerRange:
    """How long one container was expected not to run."""

    name: str
    low_s: float
    high_s: float


@frozen
class OutcomeForecast:
    """What the plan expected, to be compared with what was measured."""

    engine_s: tuple[float, float] | None
    """Low and high; None: unknown, or no downtime was expected."""
    containers: tuple[ContainerRange, ...] = ()
    """Containers that were expected to stop for a time."""
    removes: tuple[str, ...] = ()
    """Names of containers whose removal was announced (`--rm`)."""


@frozen
class EngineOutcome:
    """Outcome of one upgrade of an engine. Versions are upstream versions, as in `EnginePlan`."""

    id: str
    component: Component
    started_at: datetime
    finished_at: datetime | None
    result: EngineResult
    plan_id: str = ""
    before: str | None = None
    """The running version before; None: no engine ran."""
    target: str | None = None
    running: str | None = None
    """The running version after; None: no engine runs."""
    packages: tuple[PackageChange, ...] = ()
    """What changed, as read from dpkg's database afterwards."""
    blocked: tuple[Block, ...] = ()
    engine_down_s: float | None = None
    """How long the engine did not answer; None: not measured."""
    containers_down: tuple[ContainerDowntime, ...] = ()
    """Containers that stopped for a time, by name."""
    containers_lost: tuple[str, ...] = ()
    """Names of containers that ran before and do not run now, announced removals included."""
    containers_started: tuple[str, ...] = ()
    """Names of containers that the agent started."""
    containers_stopped: tuple[str, ...] = ()
    """Names of containers that the engine started and the agent stopped again."""
    rollback: Rollback | None = None
    """None: not needed."""
    forecast: OutcomeForecast | None = None
    """None: nothing was about to stop, or the plan is not known any more."""
    message: str = ""
    """One sentence with what the fields above do not show; may be empty."""
    problem: str = ""
    """The part of `message` with what failed after the change: a hook."""
    requested_by: str = ""

    @property
    def unannounced(self) -> tuple[str, ...]:
        """The containers that were lost and whose removal was not announced."""
        announced = self.forecast.removes if self.forecast else ()
        return tuple(name for name in self.containers_lost if name not in announced)


def forecast_of(plan: EnginePlan) -> OutcomeForecast | None:
    """Return what a plan expects; None if it stops nothing."""
    if not plan.restart_needed:
        return None
    down = plan.downtime
    return OutcomeForecast(
        engine_s=(down.low_s, down.high_s) if down else None,
        containers=tuple(
            ContainerRange(name=one.name, low_s=one.low_s, high_s=one.high_s) for one in plan.containers if one.high_s
        ),
        removes=tuple(one.name for one in plan.containers if one.will is Fate.IS_REMOVED),
    )
