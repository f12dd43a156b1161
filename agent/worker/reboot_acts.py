"""What reboots this machine. Imported by name, only by a job that does."""

from agent.core.job_control import JobControl
from agent.core.policy.policy import Policy
from agent.core.reboot.ports import RebootActs
from agent.errors import HostError
from agent.state.store import Store


def reboot_acts(_store: Store, _policy: Policy, _control: JobControl, _run_id: str) -> RebootActs:
    """Return what reboots this machine.

    Raises:
        HostError: always.
    """
    raise HostError("this version of the agent cannot reboot yet")
