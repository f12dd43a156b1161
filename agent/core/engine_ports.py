"""What plans and upgrades of Docker and Weave need from a machine, as protocols."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from agent.core.frozen import frozen
from agent.core.hooks import HookVerdict
from agent.core.model.docker import Container, ContainerTimes, DockerFacts, EngineUnit
from agent.core.model.engine_plan import PackageChange
from agent.core.model.engine_state import EngineState
from agent.core.model.weave import WeaveFacts


@frozen
class Offer:
    """One version of a package that an authenticated source, or dpkg's database, has."""

    package: str
    version: str
    site: str
    """Where it comes from: origin and archive; empty if only the installed one is known."""
    priority: int = 500
    """apt's pin priority (apt_preferences(5)); without preferences, and not in an archive like backports, 500."""


@frozen
class Simulation:
    """What apt would do to bring some packages to exact versions."""

    changes: tuple[PackageChange, ...] = ()
    """Every package that changes, the requested ones included."""
    problem: str = ""
    """Why apt cannot do it; empty if it can."""
    download_bytes: int = 0
    installed_bytes: int = 0
    """How much the installed size grows."""


class EngineObserver(Protocol):
    """Observes Docker and Weave. Changes nothing and starts nothing."""

    def present(self) -> bool:
        """Return whether there is a sign of either; some calls of stat(2)."""

    def docker(self) -> DockerFacts:
        """Return what is known of Docker; quick if there is none."""

    def weave(self, docker: DockerFacts) -> WeaveFacts:
        """Return what is known of Weave, given what is known of Docker."""


class EnginePackages(Protocol):
    """The packages of the container runtime in apt. Every method may raise HostError."""

    def offers(self, package: str) -> tuple[Offer, ...]:
        """Return every version of a package, newest first; empty if there is none."""

    def simulate(self, targets: Mapping[str, str], held: Collection[str] = ()) -> Simulation:
        """Return what installing exactly these versions by package name would change.

        Holds stay in force, except those on the `held` targets.
        """


class OutageMeter(Protocol):
    """Measures how long the engine does not answer."""

    @property
    def down_s(self) -> float:
        """Seconds without an answer so far."""


class EngineOperator(Protocol):
    """Acts on the engine and on its containers. Methods on the unit may raise HostError."""

    def restart(self, *, limit_s: float) -> EngineState:
        """Restart the engine; return its final state, or the last one seen at the deadline."""

    def stop(self, *, limit_s: float, with_socket: bool) -> EngineState:
        """Stop the engine, and its socket, which would start it at the next connection; return as `restart`."""

    def settle(self, *, limit_s: float) -> EngineState:
        """Wait until the unit's state is final, whoever changes it; return as `restart`."""

    def restarts_during(self, *, seconds: float) -> int:
        """Watch a running engine; return how often systemd restarted it meanwhile, at least 1 if it did not stay up."""

    def shutting_down(self) -> bool:
        """Whether the machine is being shut down, so that no unit can be started."""

    def validate(self, unit: EngineUnit) -> str | None:
        """Have the installed engine check its configuration; return its message, empty: accepted; None: it cannot."""

    def live_restore_on(self, unit: EngineUnit) -> str:
        """Switch live-restore on in the running engine by a reload; return why it is not on, empty if it is.

        daemon.json says so, too, until `live_restore_as_before`: an engine that starts reads it there.
        """

    def live_restore_as_before(self, unit: EngineUnit) -> str:
        """Put daemon.json back byte for byte, and have a running engine read it; nothing if it is as before.

        Returns what stays to be done by a person: the file was changed by somebody else. Empty if nothing does.
        """

    def stop_containers(self, containers: Sequence[Container]) -> dict[str, str]:
        """Stop containers at the same time, each with its stop timeout; return error by name."""

    def start_containers(self, containers: Sequence[Container]) -> dict[str, str]:
        """Start containers in this order; return error by name."""

    def pause_containers(self, containers: Sequence[Container]) -> dict[str, str]:
        """Pause containers; return error by name."""

    def container_times(self, containers: Sequence[Container]) -> Mapping[str, ContainerTimes]:
        """Return by name when containers last ended and started."""

    def measure(self) -> AbstractContextManager[OutageMeter]:
        """Measure the engine's outage during the block. Only for an engine that runs."""


class EngineHost(Protocol):
    """What an upgrade of an engine needs from the machine beside the engine."""

    def boot_id(self) -> str:
        """Return the kernel's boot id; empty if it cannot be read."""

    def require_space(self, *, download_bytes: int, installed_bytes: int) -> None:
        """Check the space for archives and for unpacked files.

        Raises:
            NoSpaceError: it is short; the message names the file system and what is missing.
        """

    def run_hooks(self, name: str, document: Mapping[str, object]) -> HookVerdict:
        """Run the administrator's hooks of a directory such as "pre-docker.d", with a document on standard input."""


class RuntimeArchives(Protocol):
    """Archives of the container runtime's packages, kept until a change is verified, and their installation."""

    def keep(self, versions: Mapping[str, str]) -> Mapping[str, str]:
        """Keep the archives of these versions by package name; return file name by package.

        One that is kept already is checked, and fetched again if it is damaged.

        Raises:
            HostError: one is neither offered nor in apt's archive directory; the message names it.
        """

    def install(self, files: Sequence[str], remove: Sequence[str]) -> str:
        """Remove packages, then install kept archives, downgrades included; return dpkg's error, empty if none.

        Raises:
            BusyError: another program holds dpkg's lock. HostError: it cannot start.
        """

    def unpack(self, files: Sequence[str], remove: Sequence[str]) -> str:
        """Do the same without configuring anything: files are replaced, no postinst runs.

        Raises:
            BusyError, HostError: as `install`.
        """

    def configure(self) -> str:
        """Configure what `unpack` left; return dpkg's error, empty if none.

        Raises:
            BusyError, HostError: as `install`.
        """

    def program(self, file: str, name: str) -> AbstractContextManager[str]:
        """Have a program of a kept archive in a temporary file; yields its path, empty if it cannot be run there."""

    def require_room(self) -> None:
        """Check that the largest kept archive can be unpacked.

        Raises:
            NoSpaceError: it does not fit.
        """

    def forget(self) -> None:
        """Remove all kept archives: the change that they were for is verified."""

    def hold(self, packages: Sequence[str]) -> Sequence[str]:
        """Put those of these packages that are installed on hold again; return those on which it is not in force.

        Raises:
            BusyError, HostError: as `install`.
        """

    def finish(self) -> None:
        """Have dpkg finish what an interrupted run left, as `dpkg --configure -a`; waits for a dpkg that runs.

        Raises:
            BusyError: another program holds dpkg's lock. HostError: it cannot start.
        """

    def states(self) -> Mapping[str, tuple[str, bool]]:
        """Return by name the version of each package with files, and whether dpkg's state is "installed"."""


@frozen
class EngineActs:
    """What changes an engine."""

    operator: EngineOperator
    archives: RuntimeArchives
    host: EngineHost
