"""What a reboot needs from a machine and from the fleet lock, as protocols."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from agent.core.fleet_lock.model import HeldLock, LockAnswer
from agent.core.frozen import frozen
from agent.core.hooks import HookVerdict
from agent.core.model.facts import Unseen
from agent.core.policy.policy import RebootPolicy
from agent.core.reboot.gates import GateFacts
from agent.core.reboot.model import BootIdentity


class RebootHost(Protocol):
    """This machine, as far as its reboot is concerned. Every call has a deadline."""

    def boot(self) -> BootIdentity:
        """Return the identity of the running boot; an empty boot id if it cannot be read."""

    def up_since(self) -> datetime:
        """Return when this boot began, or the last soft-reboot, by the clock as it is set now."""

    def gate_facts(self) -> GateFacts:
        """Return what the local gates are judged by; changes nothing."""

    def failed_units(self) -> tuple[str, ...] | Unseen:
        """Return the names of the units that have failed, sorted."""

    def run_hooks(self, name: str, document: Mapping[str, object]) -> HookVerdict:
        """Run the administrator's hooks of a directory such as "pre-reboot.d", with a document on standard input."""

    def wall(self, message: str) -> None:
        """Write a message to every logged-in user; a failure is logged."""

    def schedule(self, at: datetime) -> None:
        """Have logind reboot at a time, so that others see it in `shutdown --show`. Raises HostError."""

    def cancel(self, at: datetime) -> None:
        """Cancel what `schedule` scheduled for that time, if it is still that. Raises HostError."""

    def reboot(self) -> None:
        """Have logind reboot now; returns once it has accepted. Raises HostError."""

    def stopping(self) -> bool:
        """Whether the machine is going down already."""

    def pause(self, seconds: float) -> None:
        """Wait."""

    def wait_until_started(self, limit: timedelta) -> datetime | None:
        """Wait until the boot has finished; return when it did, None: not within the limit."""


class FleetLock(Protocol):
    """The lock that lets only some hosts of a fleet reboot at the same time. Every method may raise HostError.

    Those that read its record raise RecordError, too.
    """

    @property
    def configured(self) -> bool:
        """Whether a lock is needed to reboot."""

    def acquire(self, reason: str) -> LockAnswer:
        """Request the lock; what may be held by then is on record before. Never raises for the server's sake."""

    def release(self) -> LockAnswer:
        """Release the lock that this host holds, or may hold; granted: none is held any more."""

    def release_leftover(self, *, reboot_pending: bool) -> LockAnswer | None:
        """Release the lock of a run that has ended or was killed, unless a person has to; None: there is none."""

    def keep(self, why: str) -> None:
        """Record that only a person may release the lock, and why: the machine came back with problems."""

    def held(self) -> HeldLock | None:
        """Return the lock that this host holds, or may hold, by its record."""

    def forget(self) -> None:
        """Remove the record of a lock whose server does not exist any more, without a call."""


@frozen
class RebootActs:
    """What reboots a machine."""

    host: RebootHost
    lock: FleetLock
    policy: Callable[[], RebootPolicy]
    """Reads the configuration that is in use now: it may have changed while hooks ran or users were warned. Raises
    ConfigError."""
    send_report: Callable[[], None]
    """Queues what there is to report, and sends it if that is quick."""
