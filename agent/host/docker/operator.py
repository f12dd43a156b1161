"""The engine and its containers, behind the port `agent.core.engine_ports.EngineOperator`."""

from collections.abc import Callable, Mapping, Sequence

from agent.core.model.docker import Container, ContainerTimes, EngineUnit
from agent.core.model.engine_state import EngineState, UnitPhase
from agent.host.docker.actions import ContainerActions
from agent.host.docker.api import EngineApi
from agent.host.docker.control import EngineControl, validate
from agent.host.docker.downtime import DowntimeMeter
from agent.host.docker.engine_socket import engine_socket
from agent.host.docker.live_restore import LiveRestoreSwitch


class LocalEngineOperator:
    """Acts on the engine of this machine."""

    def __init__(
        self, *, find_socket: Callable[[], str] = engine_socket, alive: Callable[[], None] = lambda: None
    ) -> None:
        """Take what finds the engine's socket at each use, and what is called now and then during long actions."""
        self._find_socket = find_socket
        self._alive = alive
        self._control = EngineControl(alive=alive)

    def restart(self, *, limit_s: float) -> EngineState:
        """Restart the engine; return its final state, or the last one seen at the deadline."""
        self._control.reload_units()
        return self._control.restart(limit_s=limit_s)

    def stop(self, *, limit_s: float, with_socket: bool) -> EngineState:
        """Stop the engine, and its socket, which would start it at the next connection; return as `restart`."""
        return self._control.stop(limit_s=limit_s, with_socket=with_socket)

    def settle(self, *, limit_s: float) -> EngineState:
        """Wait until the unit's state is final, whoever changes it; return as `restart`."""
        return self._control.wait_for_final_state(limit_s=limit_s)

    def restarts_during(self, *, seconds: float) -> int:
        """Watch a running engine; return how often systemd restarted it meanwhile, at least 1 if it did not stay up."""
        return self._control.restarts_during(seconds=seconds)

    def shutting_down(self) -> bool:
        """Return whether the machine is being shut down, so that no unit can be started."""
        return self._control.shutting_down()

    def validate(self, unit: EngineUnit) -> str | None:
        """Have the installed engine check its configuration; return its message, empty: accepted; None: it cannot."""
        return validate(unit)

    def live_restore_on(self, unit: EngineUnit) -> str:
        """Switch live-restore on in the running engine; return why it is not on, empty if it is."""
        return self._live_restore(unit).on()

    def live_restore_as_before(self, unit: EngineUnit) -> str:
        """Put daemon.json back as it was; return what stays to be done by a person, empty if nothing does."""
        return self._live_restore(unit).off(running=self._control.state().phase is UnitPhase.RUNNING)

    def _live_restore(self, unit: EngineUnit) -> LiveRestoreSwitch:
        path = self._find_socket()
        return LiveRestoreSwitch(unit, self._control, lambda: EngineApi(path))

    def _actions(self) -> ContainerActions:
        return ContainerActions(self._find_socket(), alive=self._alive)

    def stop_containers(self, containers: Sequence[Container]) -> dict[str, str]:
        """Stop containers at the same time, each with its stop timeout; return error by name."""
        return self._actions().stop(containers)

    def start_containers(self, containers: Sequence[Container]) -> dict[str, str]:
        """Start containers in this order; return error by name."""
        return self._actions().start(containers)

    def pause_containers(self, containers: Sequence[Container]) -> dict[str, str]:
        """Pause containers; return error by name."""
        return self._actions().pause(containers)

    def container_times(self, containers: Sequence[Container]) -> Mapping[str, ContainerTimes]:
        """Return by name when containers last ended and started."""
        return self._actions().times(containers)

    def measure(self) -> DowntimeMeter:
        """Measure the engine's outage during a block. Only for an engine that runs."""
        return DowntimeMeter(self._find_socket())
