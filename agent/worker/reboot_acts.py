"""What reboots this machine. Imported by name, only by a job that does."""

from agent.config.accepted import load_in_use
from agent.core.job_control import JobControl
from agent.core.policy.policy import Policy
from agent.core.reboot.ports import RebootActs
from agent.host.fleet_lock import LockOwner
from agent.host.fleet_lock_settings import open_fleet_lock
from agent.host.machine.boot_id import boot_id
from agent.host.machine.identity import host_id
from agent.host.machine.os_release import read_distro
from agent.host.reboot.actions import LocalRebootHost
from agent.report.targets import enabled_targets
from agent.state.store import Store
from agent.worker.send_report import send_report

_REPORT_LIMIT_S = 20.0
"""For all exporters. They may be killed at any point: what is not sent then is sent after the boot."""


def reboot_acts(store: Store, policy: Policy, control: JobControl, run_id: str) -> RebootActs:
    """Return what reboots this machine; `run_id` is that of the run, empty if there is none."""
    host = LocalRebootHost(store, boot_id=boot_id() or "", hook_limit=policy.reboot.hook_timeout, alive=control.alive)
    lock = open_fleet_lock(store, policy, LockOwner(boot=host.boot, machine=host_id(), run_id=run_id), control.alive)

    def report() -> None:
        if not list(enabled_targets(policy)):
            return
        if send_report(store, limit_s=_REPORT_LIMIT_S, alive=control.alive).code != 0:
            control.step("the report is sent after the reboot")

    return RebootActs(
        host=host,
        lock=lock,
        policy=lambda: load_in_use(store.directory, read_distro()).policy.reboot,
        send_report=report,
    )
