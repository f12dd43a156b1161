"""Hosts of a fleet that share a FleetLock server: the real client and record, with a clock and a boot of their own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from agent.core.fleet_lock.model import LockRecord
from agent.core.fleet_lock.server import LockServer, LockTimeouts
from agent.core.reboot.model import BootIdentity
from agent.host.fleet_lock import LocalFleetLock, LockOwner
from agent.state.fleet_lock_record import FleetLockRecord
from agent.state.store import Store
from tests.support.lock_servers import SILENT
from tests.support.lock_servers import LockServer as ServerDouble

T0 = datetime(2026, 11, 29, 2, 0, tzinfo=timezone.utc)
SHORT = LockTimeouts(acquire=timedelta(seconds=0.3), release=timedelta(seconds=0.3))
"""For a server that is silent."""
PATIENT = LockTimeouts(acquire=timedelta(seconds=20), release=timedelta(seconds=20))
"""For one that answers: no test depends on how fast this machine is."""
GROUP = "web"


class KilledError(BaseException):
    """The process ends here, as by SIGKILL: no handler of the agent runs."""


@dataclass(kw_only=True)
class Clock:
    """The time of a whole fleet."""

    now: datetime = T0

    def pass_by(self, time: timedelta) -> None:
        self.now += time


@dataclass(kw_only=True)
class KillableRecord(FleetLockRecord):
    """A record whose process is killed after so many writes, or right before one."""

    store: Store
    kill_after: int | None = None
    kill_before: int | None = None

    def __post_init__(self) -> None:
        super().__init__(self.store)

    def save(self, record: LockRecord, now: datetime) -> None:
        if self.kill_before == 0:
            raise KilledError
        super().save(record, now)
        if self.kill_after == 0:
            raise KilledError
        self.kill_before = None if self.kill_before is None else self.kill_before - 1
        self.kill_after = None if self.kill_after is None else self.kill_after - 1


@dataclass(kw_only=True)
class LockHost:
    """One host; `lock` makes the adapter of a new job."""

    name: str
    directory: Path
    url: str
    clock: Clock = field(default_factory=Clock)
    boots: int = 1
    machine: str = ""
    """Its identity; empty: its name."""
    group: str = GROUP
    timeouts: LockTimeouts = PATIENT
    alive: Callable[[], None] = lambda: None

    def meets(self, server: ServerDouble, *faults: str) -> None:
        """Have the next requests to the server end in these faults."""
        server.faults = list(faults)
        self.timeouts = SHORT if SILENT.intersection(faults) else PATIENT

    def faults_end(self, server: ServerDouble) -> None:
        """Have the server carry out what was delayed, and answer from now on."""
        server.deliver()
        self.timeouts = PATIENT

    @property
    def server(self) -> LockServer:
        return LockServer(url=self.url, group=self.group, id=self.name)

    @property
    def store(self) -> Store:
        return Store(str(self.directory))

    @property
    def record(self) -> FleetLockRecord:
        return FleetLockRecord(self.store)

    def lock(
        self, *, server: LockServer | None = None, kill_after: int | None = None, kill_before: int | None = None
    ) -> LocalFleetLock:
        boot = BootIdentity(boot_id=f"{self.name}-{self.boots}", soft_reboots=0)
        return LocalFleetLock(
            server or self.server,
            KillableRecord(store=self.store, kill_after=kill_after, kill_before=kill_before),
            LockOwner(boot=lambda: boot, machine=self.machine or self.name, run_id=f"run-{self.boots}"),
            timeouts=self.timeouts,
            alive=self.alive,
            now=lambda: self.clock.now,
        )
