"""What is saved before Docker is changed, as frozen values: enough to finish or to roll back after a crash."""

from datetime import datetime
from enum import Enum

from agent.core.docker.observed import ENGINE_PACKAGES
from agent.core.docker.versions import upstream
from agent.core.frozen import frozen
from agent.core.model.docker import Container, DockerFacts, EngineUnit, RunningEngine
from agent.core.model.engine_plan import PackageChange
from agent.core.model.facts import Unseen


class Phase(Enum):
    """How far an upgrade came. Recorded before the phase begins."""

    PREPARED = "prepared"
    """Nothing was changed yet."""
    PACKAGES = "packages"
    """The packages are being installed; the engine runs on."""
    RESTARTING = "restarting"
    """Containers may be stopped, the engine is being restarted."""
    RESTORING = "restoring"
    """The engine was restarted; the containers are brought back."""
    ROLLING_BACK = "rolling-back"
    """The versions of before are being installed and started; this ends as a rollback."""
    FORWARD_AGAIN = "forward-again"
    """The engine of before did not start: the newer one is installed again, the last attempt."""
    FAILED = "failed"
    """Needs a person: the agent does not go on by itself."""


@frozen
class SavedPackage:
    """A package of the container runtime as it was."""

    package: str
    version: str
    on_hold: bool
    file: str = ""
    """Name of its archive among the saved ones; empty if there is none."""


@frozen
class KeptArchive:
    """The archive of a package's new version."""

    package: str
    file: str


@frozen
class DockerSnapshot:
    """Docker before a change."""

    run_id: str
    taken_at: datetime
    phase: Phase
    engine_version: str | None
    """As the engine showed it; None: it did not run."""
    target_version: str | None
    """The upstream version that the run brings; None: unknown."""
    changes: tuple[PackageChange, ...]
    """Empty: only a restart."""
    packages: tuple[SavedPackage, ...]
    unit_active: bool
    boot_id: str
    live_restore: bool
    containers: tuple[Container, ...] | None
    """None: no engine ran, so no container did."""
    archives: tuple[KeptArchive, ...] = ()
    """Those of the new versions, one for each package that is installed."""
    main_pid: int | None = None
    """Process of the engine before the change; None: none ran, or an earlier version of the agent saved this."""
    reason: str = ""
    """Why it is being rolled back; empty before that."""
    switch_live_restore: bool = False
    """Whether live-restore is switched on for the restart, and daemon.json put back after it."""
    socket_active: bool = False
    """Whether docker.socket was active: then a stopped engine starts at the next connection, which stays so."""
    hooked: bool = False
    """Whether a pre-hook ran, so that the post-hooks have to, also after a crash."""

    @property
    def running_before(self) -> str | None:
        """The upstream version of the engine that ran; None: none did."""
        return upstream(self.engine_version) if self.engine_version else None

    @property
    def installed_before(self) -> str | None:
        """The upstream version that starts from the packages of before; None: unknown.

        Where a restart was pending it is not the one that ran, and no package that could bring that one is kept.
        """
        versions = {one.package: one.version for one in self.packages}
        return next((upstream(versions[name]) for name in ENGINE_PACKAGES if name in versions), None)

    @property
    def announced(self) -> frozenset[str]:
        """Names of the containers that a restart removes: running ones with `--rm`."""
        return frozenset(one.name for one in self.containers or () if one.auto_remove and one.running)


def unit_active(docker: DockerFacts) -> bool:
    """Whether the unit ran, so that it has to run afterwards; a stopped engine stays stopped."""
    return isinstance(docker.unit, EngineUnit) and docker.unit.running


def obstacle(docker: DockerFacts) -> str:
    """Return why no snapshot can be taken: something that is needed is unknown. Empty if it can be taken."""
    if isinstance(docker.unit, Unseen):
        return docker.unit.reason
    if not unit_active(docker):
        return ""
    if isinstance(docker.engine, Unseen):
        return docker.engine.reason
    if not isinstance(docker.engine, RunningEngine):
        return "the engine does not answer"
    if docker.containers is None:
        return "the containers are unknown"
    return docker.containers.reason if isinstance(docker.containers, Unseen) else ""
