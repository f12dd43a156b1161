"""systemd of a simulated machine: units that run replaced files, restarts that work, fail or do nothing."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from agent.core.restart.model import MANAGER_UNIT, SystemdUnit
from agent.errors import HostError
from tests.support.simulated import Simulated


class SimulatedServices:
    """The port ServiceControl. Tests set the attributes; the agent calls the methods."""

    def __init__(self, machine: Simulated) -> None:
        self._machine = machine
        self.known: dict[str, SystemdUnit] = {}
        """Units by name; any other one that runs replaced files is an ordinary service."""
        self.clock_s = 1000.0
        self.calls: list[str] = []
        """Units that were restarted, in their order."""
        self.dies: set[str] = set()
        """Units whose process dies at once."""
        self.errors: dict[str, str] = {}
        """What systemctl answers to the restart of a unit."""
        self.keeps_files: set[str] = set()
        """Units that run replaced files after a restart, too."""
        self.silent = False
        """Whether systemd does not answer."""
        self.when_restarted: Callable[[str], None] = lambda _unit: None

    def units(self, names: Collection[str]) -> Mapping[str, SystemdUnit]:
        if self.silent:
            raise HostError("systemctl show: no answer within 30 s")
        found: dict[str, SystemdUnit] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = self._unit(name)
                waiting += found[name].restarts_with
        return found

    def restart(self, unit: str, *, limit_s: float) -> str:
        assert limit_s > 0
        self.when_restarted(unit)
        self.calls.append(unit)
        if unit in self.errors:
            return self.errors[unit]
        self.clock_s += 0.5
        for name in (unit, *self._unit(unit).restarts_with):
            self._start(name)
        return ""

    def reexec(self, *, limit_s: float) -> str:
        assert limit_s > 0
        self.calls.append(MANAGER_UNIT)
        if MANAGER_UNIT not in self.keeps_files:
            self._machine.stale_units.discard(MANAGER_UNIT)
        return self.errors.get(MANAGER_UNIT, "")

    def now_s(self) -> float:
        return self.clock_s

    def wait(self, seconds: float) -> None:
        self.clock_s += seconds

    def _unit(self, name: str) -> SystemdUnit:
        ordinary = SystemdUnit(
            name=name, service_type="simple", main_pid=7, main_outdated=True, start_limit_s=10.0, invocation_id="first"
        )
        return self.known.setdefault(name, ordinary)

    def _start(self, name: str) -> None:
        fresh = replace(self._unit(name), invocation_id=f"started at {self.clock_s}", started_at_s=self.clock_s)
        dead = replace(fresh, active_state="failed", sub_state="failed", result="exit-code", main_pid=None)
        self.known[name] = dead if name in self.dies else fresh
        if name not in self.keeps_files:
            self._machine.stale_units.discard(name)
