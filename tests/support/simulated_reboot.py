"""A machine's reboot and a fleet lock in memory, behind the ports of `agent.core.reboot.ports`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from agent.core.fleet_lock.model import HeldLock, LockAnswer, LockPhase
from agent.core.hooks import HookVerdict
from agent.core.model.facts import Reboot, Unseen
from agent.core.model.kernels import RunningKernel
from agent.core.reboot.gates import GateFacts, Inhibitor
from agent.core.reboot.model import BootIdentity
from agent.errors import HostError
from tests.support.simulated import Killed, Simulated

OLD, NEW = "6.1.0-1", "6.12.0-1"
REQUIRED = Reboot(
    required=True,
    packages=("linux-image-6.12.0-1",),
    kernel=RunningKernel(running=OLD, newest=NEW, outdated=True),
)
DOWN_S = 71
REFUSED = LockAnswer(granted=False, why="fleet-lock", detail="all slots are taken")
UNREACHABLE = LockAnswer(granted=False, why="lock-unreachable", detail="connection refused")


@dataclass
class Steps:
    """What was done, in order; the process is killed before one of the steps."""

    done: list[str] = field(default_factory=list)
    kill_at: int | None = None

    def step(self, name: str) -> None:
        if self.kill_at is not None and len(self.done) >= self.kill_at:
            self.kill_at = None
            raise Killed
        self.done.append(name)


class SimulatedLock:
    """The port FleetLock, with its server."""

    def __init__(self, steps: Steps, *, configured: bool = False) -> None:
        self.steps = steps
        self.configured = configured
        self.taken = False
        """On the server."""
        self.on_record: HeldLock | None = None
        self.refusals: list[LockAnswer] = []
        """Of the next calls to take it."""
        self.deaf: list[LockAnswer] = []
        """Of the next calls to release it."""

    def acquire(self, reason: str) -> LockAnswer:
        before = self.on_record
        kept = before.kept if before else ""
        self.on_record = HeldLock(
            phase=LockPhase.INTENT,
            url="https://lock",
            group="web",
            id="host",
            since=datetime.min,  # noqa: DTZ901 - no one reads it
            boot_id="",
            soft_reboots=0,
            reason=reason,
            kept=kept,
        )
        self.steps.step("acquire")
        if self.refusals:
            answer = self.refusals.pop(0)
            self.on_record = before if answer.why == "lock-unreachable" else None
            return answer
        self.taken = True
        self.steps.step("acquired")
        self.on_record = replace(self.on_record, phase=LockPhase.HELD)
        return LockAnswer(granted=True)

    def release(self) -> LockAnswer:
        self.steps.step("release")
        if self.deaf:
            return self.deaf.pop(0)
        self.taken = False
        self.steps.step("released")
        self.on_record = None
        return LockAnswer(granted=True)

    def release_leftover(self, *, reboot_pending: bool) -> LockAnswer | None:
        if self.on_record is None or self.on_record.kept or reboot_pending:
            return None
        return self.release()

    def keep(self, why: str) -> None:
        if self.on_record is not None:
            self.on_record = replace(self.on_record, kept=why)

    def forget(self) -> None:
        self.on_record = None

    def held(self) -> HeldLock | None:
        return self.on_record


class SimulatedRebootHost:
    """The port RebootHost."""

    def __init__(self, machine: Simulated, steps: Steps) -> None:
        self.machine = machine
        self.steps = steps
        self.identity = BootIdentity(boot_id="boot-1", soft_reboots=0)
        self.facts = GateFacts()
        self.failed: tuple[str, ...] | Unseen = ()
        self.verdicts: dict[str, list[HookVerdict]] = {}
        """Of the next runs of the hooks of a directory; one hook that succeeds after them."""
        self.documents: list[tuple[str, Mapping[str, object]]] = []
        """What the hooks got, by directory."""
        self.walls: list[str] = []
        self.announced: datetime | None = None
        """When logind reboots."""
        self.refuses = ""
        """Why logind refuses to reboot; empty: it does not."""
        self.reboots = 0
        self.down = False
        self.booted_at = machine.time
        self.boot_takes: timedelta | None = timedelta()
        """None: the boot does not finish."""
        self.on_pause: Callable[[], None] = lambda: None
        self.before_reboot: Callable[[], None] = lambda: None

    def boot(self) -> BootIdentity:
        return self.identity

    def up_since(self) -> datetime:
        return self.booted_at

    def gate_facts(self) -> GateFacts:
        return self.facts

    def failed_units(self) -> tuple[str, ...] | Unseen:
        return self.failed

    def run_hooks(self, name: str, document: Mapping[str, object]) -> HookVerdict:
        self.steps.step(name)
        self.documents.append((name, document))
        verdicts = self.verdicts.get(name, [])
        verdict = verdicts.pop(0) if verdicts else HookVerdict(ran=1)
        self.steps.step(f"{name} ran")
        return verdict

    def wall(self, message: str) -> None:
        self.walls.append(message)

    def schedule(self, at: datetime) -> None:
        if not self.facts.logind:
            raise HostError("logind does not run")
        self.steps.step("schedule")
        self.announced = at

    def cancel(self, at: datetime) -> None:
        self.announced = None if self.announced == at else self.announced

    def reboot(self) -> None:
        self.steps.step("reboot")
        self.before_reboot()
        if self.refuses:
            raise HostError(self.refuses)
        self.reboots += 1
        self.down = True
        self.steps.step("rebooting")

    def stopping(self) -> bool:
        return self.down

    def pause(self, seconds: float) -> None:
        self.steps.step("pause")
        self.machine.time += timedelta(seconds=seconds)
        if self.announced is not None and self.machine.time >= self.announced:
            self.down, self.announced = True, None
        self.on_pause()

    def wait_until_started(self, limit: timedelta) -> datetime | None:
        if self.boot_takes is None or self.booted_at + self.boot_takes > self.machine.time + limit:
            self.machine.time += limit
            return None
        self.machine.time = max(self.machine.time, self.booted_at + self.boot_takes)
        return self.booted_at + self.boot_takes

    # what happens to the machine

    def inhibit(self) -> None:
        """Have another program block shutdowns."""
        self.facts = replace(self.facts, inhibitors=(Inhibitor(who="backup", why="running", pid=7),))
        self.refuses = "Access denied"

    def come_back(self, *, soft: bool = False, to: Reboot = Reboot(required=False)) -> None:  # noqa: B008 - frozen
        """Boot."""
        self.machine.time += timedelta(seconds=DOWN_S)
        self.booted_at, self.down, self.announced = self.machine.time, False, None
        number = int(self.identity.boot_id.rpartition("-")[2])
        self.identity = (
            replace(self.identity, soft_reboots=self.identity.soft_reboots + 1)
            if soft
            else BootIdentity(boot_id=f"boot-{number + 1}", soft_reboots=0)
        )
        self.machine.required_reboot = to
