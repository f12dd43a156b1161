"""What a reboot does to this machine, behind the port `agent.core.reboot.ports.RebootHost`."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from agent.core.hooks import HookVerdict
from agent.core.model.facts import Unseen
from agent.core.reboot.gates import GateFacts
from agent.core.reboot.model import BootIdentity
from agent.errors import HostError
from agent.host.boot_time import booted_at
from agent.host.hook_directory import run_hooks
from agent.host.logind import cancel_shutdown, logind_runs, logind_state, reboot_now, schedule_reboot
from agent.host.process.run import run_program
from agent.host.reboot.gate_facts import read_gate_facts
from agent.host.soft_reboots import soft_rebooted_at, soft_reboots
from agent.host.systemd import systemd_runs
from agent.host.wall import send_wall
from agent.state.store import Store
from agent.state.timestamps import utc_now

_LIMIT_S = 20.0
_POLL_S = 1.0
_BOOTED = frozenset({"running", "degraded", "maintenance", "stopping", "offline"})
"""States of `systemctl is-system-running` once a boot has ended; all else is one under way, or no answer yet."""


class LocalRebootHost:
    """This machine."""

    def __init__(
        self, store: Store, *, boot_id: str, hook_limit: timedelta, alive: Callable[[], None] = lambda: None
    ) -> None:
        """Take the record, the kernel's boot id, the time limit of one hook, and what is called while this waits."""
        self._store = store
        self._boot_id = boot_id
        self._hook_limit_s = hook_limit.total_seconds()
        self._alive = alive

    def boot(self) -> BootIdentity:
        """Return the identity of the running boot; unknown if systemd does not answer, whose count is a part of it."""
        count = soft_reboots() if systemd_runs() else 0
        return BootIdentity(boot_id=self._boot_id if count is not None else "", soft_reboots=count or 0)

    def up_since(self) -> datetime:
        """Return when the kernel or, after a soft-reboot, userspace started."""
        return max(filter(None, (booted_at(), soft_rebooted_at())))

    def gate_facts(self) -> GateFacts:
        """Look at what the local gates ask."""
        return read_gate_facts(self._store)

    def failed_units(self) -> tuple[str, ...] | Unseen:
        """Return the names of the failed units, sorted."""
        done = run_program(
            ["systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--no-pager", "--full"],
            limit_s=_LIMIT_S,
        )
        if done.code != 0:
            return Unseen(reason=done.output or f"systemctl: exit code {done.code}")
        return tuple(sorted(line.split(maxsplit=1)[0] for line in done.output.splitlines() if line.strip()))

    def run_hooks(self, name: str, document: Mapping[str, object]) -> HookVerdict:
        """Run the directory, as root, up to the first script that fails."""
        return run_hooks(name, document, limit_s=self._hook_limit_s, alive=self._alive)

    def wall(self, message: str) -> None:
        """Send a message to everybody who is logged in; a failure is logged."""
        send_wall(message)

    def schedule(self, at: datetime) -> None:
        """Have logind reboot at a time."""
        schedule_reboot(at)

    def cancel(self, at: datetime) -> None:
        """Cancel what was scheduled for that time; what another program has put in its place stays."""
        found = logind_state()
        if isinstance(found, Unseen):
            if logind_runs() is False:
                return  # without logind nothing was scheduled
            raise HostError(f"the scheduled reboot cannot be cancelled: {found.reason}")
        if found.scheduled and found.scheduled.kind == "reboot" and found.scheduled.at == at:
            cancel_shutdown()

    def reboot(self) -> None:
        """Have logind reboot now, or systemd where logind does not run."""
        if not systemd_runs():
            raise HostError("systemd is not this machine's init: reboot it by hand")
        if logind_runs() is not False:
            reboot_now()
            return
        done = run_program(["systemctl", "reboot"], limit_s=_LIMIT_S)
        if done.code != 0:
            raise HostError(f"systemctl: {done.output or f'exit code {done.code}'}")

    def stopping(self) -> bool:
        """Whether logind or systemd shuts the machine down."""
        found = logind_state()
        return (not isinstance(found, Unseen) and found.stopping) or _system_state() == "stopping"

    def pause(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def wait_until_started(self, limit: timedelta) -> datetime | None:
        """Wait until systemd has finished booting; return when it did, by the clock as it is set now."""
        deadline = time.monotonic() + limit.total_seconds()
        while _system_state() not in _BOOTED:
            if time.monotonic() >= deadline:
                return None
            self._alive()
            time.sleep(_POLL_S)
        finished = _shown("FinishTimestampMonotonic")
        known = finished.isdecimal() and int(finished) > 0  # 0 in maintenance, which is no end of a boot
        ago_s = time.clock_gettime(time.CLOCK_MONOTONIC) - int(finished) / 1e6 if known else 0.0
        return utc_now() - timedelta(seconds=max(ago_s, 0.0))


def _system_state() -> str:
    """Return the state of the whole system (systemctl(1), is-system-running), after what systemctl says of errors."""
    return run_program(["systemctl", "is-system-running"], limit_s=_LIMIT_S).output.rpartition("\n")[2]


def _shown(name: str) -> str:
    """Return a property of systemd itself; empty if it does not have it."""
    done = run_program(["systemctl", "show", f"--property={name}", "--value"], limit_s=_LIMIT_S)
    return done.output if done.code == 0 else ""
