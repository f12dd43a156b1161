"""Whether the daemon leaves the daily upgrade to the distribution's job: by the configuration and the record alone."""

from agent.core.policy.policy import DailyJobMode, Policy
from agent.core.unattended_upgrades.model import Patcher
from agent.errors import RecordError
from agent.state.daily_job_view import read_daily_job
from agent.state.store import Store


def stands_aside(policy: Policy, store: Store) -> bool:
    """Return whether no upgrade is due by the schedule; the worker decides again, by the machine as it is then.

    A record of another mode, or a damaged one, is none: the next check writes a new one.
    """
    mode = policy.unattended_upgrades.mode
    if mode is DailyJobMode.DELEGATE:
        return True
    try:
        found = read_daily_job(store)
    except RecordError:
        return False
    return found is not None and found.mode == mode.value and found.patcher == Patcher.UNATTENDED_UPGRADES.value
