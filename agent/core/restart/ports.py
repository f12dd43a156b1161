"""What a run of `restart-services` needs of the machine, as a protocol."""

from collections.abc import Collection, Mapping
from typing import Protocol

from agent.core.restart.model import SystemdUnit


class ServiceControl(Protocol):
    """systemd's units. Every method may raise HostError: systemd does not answer."""

    def units(self, names: Collection[str]) -> Mapping[str, SystemdUnit]:
        """Return these units, and those that systemd restarts with them, by name."""

    def restart(self, unit: str, *, limit_s: float) -> str:
        """Restart one unit if it runs, and wait until systemd is done; return the error, empty if there is none."""

    def reexec(self, *, limit_s: float) -> str:
        """Have systemd execute itself again; return the error, empty if there is none."""

    def now_s(self) -> float:
        """Return the monotonic clock, as in `SystemdUnit`."""

    def wait(self, seconds: float) -> None:
        """Wait."""
