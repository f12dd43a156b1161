"""Which of the daily jobs is due when, by the policy and what is remembered of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import Enum

from agent.core.policy import AgentPolicy
from agent.core.schedule import Attempts, Daily, Every, due, share_of


class Job(Enum):
    """What the daemon asks for on its own."""

    CHECK = "check"
    UPGRADE = "upgrade"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What of the machine the rota depends on."""

    machine: str
    """What tells this machine from all others; never shown."""
    zone: tzinfo
    up_since: datetime
    """Since when jobs could run."""


def rota(policy: AgentPolicy, attempts: Mapping[Job, Attempts], host: Host, now: datetime) -> dict[Job, datetime]:
    """Return when each job is next to begin, the upgrade before the check where both are due.

    An upgrade begins with a check, so that what it attempted counts for both.
    """
    found: dict[Job, datetime] = {}
    never = Attempts()
    upgraded = attempts.get(Job.UPGRADE, never)
    share = share_of(host.machine, "retry")
    if policy.upgrade:
        slots = Daily(
            at=policy.upgrade_at, splay=policy.splay, zone=host.zone, share=share_of(host.machine, Job.UPGRADE.value)
        )
        found[Job.UPGRADE] = due(slots, upgraded, now=now, up_since=host.up_since, share=share, at_first=False)
    checked = attempts.get(Job.CHECK, never)
    if upgraded.last is not None and not upgraded.failures and (checked.last is None or upgraded.last > checked.last):
        checked = upgraded
    every = Every(interval=policy.check_interval, share=share_of(host.machine, Job.CHECK.value))
    found[Job.CHECK] = due(every, checked, now=now, up_since=host.up_since, share=share, at_first=True)
    return found
