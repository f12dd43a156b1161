"""Judges an upgrade of Docker by what runs after it, never by exit codes. Pure."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from enum import Enum

from agent.core.docker.restore import restoration, unattached
from agent.core.docker.snapshot import DockerSnapshot, Phase
from agent.core.docker.versions import same_release, upstream
from agent.core.frozen import frozen
from agent.core.model.docker import Container, ContainerTimes, DockerFacts, EngineUnit, RunningEngine
from agent.core.model.engine_outcome import ContainerDowntime
from agent.core.model.engine_plan import PackageChange


class FaultCode(Enum):
    """What is wrong after an upgrade."""

    PACKAGES = "packages"
    """Packages that are not installed, or not at the planned version: their names."""
    DPKG = "dpkg"
    """dpkg's error."""
    CONFIG = "config"
    """The new engine refuses its configuration: its message."""
    ENGINE_DOWN = "engine-down"
    """The unit's state."""
    ENGINE_UP = "engine-up"
    """The engine was stopped before, and runs."""
    ENGINE_SILENT = "engine-silent"
    """The engine does not answer. Why."""
    WRONG_VERSION = "wrong-version"
    """The running version; the expected one."""
    OLD_EXECUTABLE = "old-executable"
    """The engine still runs from a replaced file."""
    UNSTABLE = "unstable"
    """Restarts by systemd itself while it was watched."""
    CONTAINERS_UNKNOWN = "containers-unknown"
    """Why."""
    CONTAINERS_DOWN = "containers-down"
    """Names of containers that ran before and do not run: at least half of all, so that it may be the engine."""
    CONTAINERS_LOST = "containers-lost"
    """Names of containers that ran before and do not run, while most do."""
    CONTAINERS_GONE = "containers-gone"
    """Names of containers that ran before and are removed, not announced."""
    ADDRESSES_LOST = "addresses-lost"
    """Names of containers that run without the address that `weave attach` had given them."""
    CONTAINERS_REVIVED = "containers-revived"
    """Names of containers that did not run before, and run."""
    LIVE_RESTORE = "live-restore"
    """It could not be switched on. Why."""
    CONFIG_KEPT = "config-kept"
    """daemon.json could not be put back. Why."""
    HOLD = "hold"
    """Names of packages that were on hold and are not any more."""


_BESIDE = frozenset(
    {
        FaultCode.ENGINE_UP,
        FaultCode.CONTAINERS_DOWN,
        FaultCode.CONTAINERS_LOST,
        FaultCode.CONTAINERS_GONE,
        FaultCode.CONTAINERS_REVIVED,
        FaultCode.CONFIG_KEPT,
        FaultCode.ADDRESSES_LOST,
        FaultCode.HOLD,
    }
)
"""Faults of which neither the engine nor its packages are part."""
_ROLLS_BACK = (frozenset(FaultCode) - _BESIDE) | {FaultCode.CONTAINERS_DOWN}
"""Faults that the version of before may not have. It does not bring a removed container back.

A few containers that do not start while most run are no reason to go back. In all runs of 20.10.24, 26.1.5 and 28.5.2
the newer engine started every container that the older one had run: what fails alone fails for its own reasons, such
as a missing bind source or a taken port, on any engine. Going back would stop all the others a second time, and an
older engine may not start on a newer one's data.
"""


_SECONDS = len("2026-11-23T05:00:00")
_MANY = 2
"""Containers that are down count as the engine's fault from one in so many on."""


@frozen
class Fault:
    """One thing that is wrong, with its parameters."""

    code: FaultCode
    values: tuple[str, ...] = ()

    @property
    def rolls_back(self) -> bool:
        """Whether the versions of before may be without it."""
        return self.code in _ROLLS_BACK

    @property
    def of_engine(self) -> bool:
        """Whether it is wrong with the engine or its packages, not only with containers."""
        return self.code not in _BESIDE


Faults = tuple[Fault, ...]


class InstallationState(Enum):
    """How far the installation of some packages came, as dpkg's database has it."""

    AS_BEFORE = "as-before"
    AS_PLANNED = "as-planned"
    UNFINISHED = "unfinished"
    """Some are as before and some as planned, or dpkg has not finished one."""
    FOREIGN = "foreign"
    """One is neither as before nor as planned: somebody else has changed it since."""


def installation_state(changes: Collection[PackageChange], states: Mapping[str, tuple[str, bool]]) -> InstallationState:
    """Return how far an installation came; `states` as in `package_faults`. Without changes: as planned."""
    now = [(change, states.get(change.package)) for change in changes]
    if all(_arrived(change.after, state) for change, state in now):
        return InstallationState.AS_PLANNED
    if all(_arrived(change.before, state) for change, state in now):
        return InstallationState.AS_BEFORE
    if any(_is_foreign(change, state) for change, state in now):
        return InstallationState.FOREIGN
    return InstallationState.UNFINISHED


def package_faults(changes: Iterable[PackageChange], states: Mapping[str, tuple[str, bool]]) -> tuple[Fault, ...]:
    """Return what is wrong with the packages after an installation.

    `states`: by name the installed version and whether dpkg's state is "installed" without error flag.
    """
    wrong = [change.package for change in changes if not _arrived(change.after, states.get(change.package))]
    return (Fault(code=FaultCode.PACKAGES, values=tuple(sorted(wrong))),) if wrong else ()


def faults(
    snapshot: DockerSnapshot,
    after: DockerFacts,
    *,
    target: str | None,
    restarts: int = 0,
    excused: Collection[str] = (),
) -> tuple[Fault, ...]:
    """Return what is wrong with the engine and its containers after a restart, given the snapshot of before.

    `target`: the upstream version that has to run; None: any. `restarts`: how often systemd restarted the engine
    while it was watched. `excused`: names of containers that ended by themselves with 0 after they were started.
    """
    if not snapshot.unit_active:
        running = isinstance(after.unit, EngineUnit) and after.unit.running
        return (Fault(code=FaultCode.ENGINE_UP),) if running else ()
    engine = _engine_faults(after, target, restarts)
    return engine or _container_faults(snapshot, after, excused)


def downtimes(
    snapshot: DockerSnapshot, times: Mapping[str, ContainerTimes], first_starts: Mapping[str, str]
) -> tuple[ContainerDowntime, ...]:
    """Return how long each container that ran was down, given its times by name afterwards.

    `first_starts`: by name when those that were started again were first seen to have been, as the engine's text.
    One that did not end since the snapshot kept running and is left out.
    """
    found = []
    for one in snapshot.containers or ():
        now = times.get(one.name)
        if not one.running or now is None or now.finished_at is None or _kept_running(one, now):
            continue
        whole = snapshot.phase is Phase.PREPARED  # else the job before may have restarted it, too
        down_s = _down_s(now, first_starts.get(one.name, "")) if whole else None
        found.append(ContainerDowntime(name=one.name, down_s=down_s))
    return tuple(found)


def _down_s(now: ContainerTimes, first_start: str) -> float | None:
    """Return how long a container was down; None: it still is, or it was down more than once.

    The engine keeps its last end and its last start: of several outages these are the last one alone.
    """
    if not now.running or now.started_at is None or now.finished_at is None or now.restarts:
        return None
    if first_start and not _is_at(now.started_at, first_start):
        return None
    down_s = round((now.started_at - now.finished_at).total_seconds(), 3)
    return down_s if down_s >= 0 else None


def _kept_running(before: Container, now: ContainerTimes) -> bool:
    """Whether a container runs since the time of before: no clock that was set meanwhile matters for that."""
    return now.running and now.started_at is not None and _is_at(now.started_at, before.started_at)


def _is_at(time: datetime, text: str) -> bool:
    """Whether a time is that of the engine's text, to the second."""
    return f"{time:%Y-%m-%dT%H:%M:%S}" == text[:_SECONDS]


def _arrived(wanted: str | None, state: tuple[str, bool] | None) -> bool:
    if wanted is None:
        return state is None
    return state == (wanted, True)


def _is_foreign(change: PackageChange, state: tuple[str, bool] | None) -> bool:
    version, complete = state or (None, True)
    return complete and version not in {change.before, change.after}


def _engine_faults(after: DockerFacts, target: str | None, restarts: int) -> tuple[Fault, ...]:
    unit, engine = after.unit, after.engine
    if not isinstance(unit, EngineUnit) or not unit.running:
        state = unit.active_state if isinstance(unit, EngineUnit) else "unknown"
        return (Fault(code=FaultCode.ENGINE_DOWN, values=(state,)),)
    if restarts:
        return (Fault(code=FaultCode.UNSTABLE, values=(str(restarts),)),)
    if not isinstance(engine, RunningEngine):
        return (Fault(code=FaultCode.ENGINE_SILENT, values=(engine.reason if engine is not None else "",)),)
    if target is not None and not same_release(engine.version, target):
        return (Fault(code=FaultCode.WRONG_VERSION, values=(upstream(engine.version), target)),)
    return (Fault(code=FaultCode.OLD_EXECUTABLE),) if engine.executable_replaced else ()


def _container_faults(snapshot: DockerSnapshot, after: DockerFacts, excused: Collection[str]) -> tuple[Fault, ...]:
    if not isinstance(after.containers, tuple):
        reason = after.containers.reason if after.containers is not None else ""
        return (Fault(code=FaultCode.CONTAINERS_UNKNOWN, values=(reason,)),)
    left = restoration(snapshot.containers or (), after.containers, snapshot.announced)
    down = [one.name for one in (*left.start, *left.settling) if one.name not in excused]
    ran = sum(one.state in {"running", "paused"} and not one.swarm_task for one in snapshot.containers or ())
    found = (
        (FaultCode.CONTAINERS_DOWN if _MANY * len(down) >= ran else FaultCode.CONTAINERS_LOST, down),
        (FaultCode.CONTAINERS_GONE, left.gone),
        (FaultCode.CONTAINERS_REVIVED, [one.name for one in left.stop]),
        (FaultCode.ADDRESSES_LOST, [one.name for one in unattached(snapshot.containers or (), after.containers)]),
    )
    return tuple(Fault(code=code, values=tuple(sorted(names))) for code, names in found if names)
