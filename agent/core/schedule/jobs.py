"""Which of the daily jobs is due when, by the policy and what is remembered of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import Enum

from agent.core.policy.policy import AgentPolicy
from agent.core.schedule.slots import Daily, Interval, JobAttempts, boot_grace_ends_at, next_run_at, stable_fraction


class Job(Enum):
    """What the daemon asks for on its own."""

    CHECK = "check"
    UPGRADE = "upgrade"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleContext:
    """What of the machine the rota depends on."""

    machine: str
    """What tells this machine from all others; never shown."""
    zone: tzinfo
    up_since: datetime
    """Since when jobs could run."""
    known_since: datetime | None = None
    """When the first job of all began on this machine; None where there was none."""
    booted_at: datetime | None = None
    """By the clock as it is set now."""


def next_runs(
    policy: AgentPolicy, attempts: Mapping[Job, JobAttempts], host: ScheduleContext, now: datetime
) -> dict[Job, datetime]:
    """Return when each job is next to begin, the upgrade before the check where both are due.

    An upgrade begins with a check, so that what it attempted counts for both.
    """
    never = JobAttempts()
    upgraded, checked = attempts.get(Job.UPGRADE, never), attempts.get(Job.CHECK, never)
    if upgraded.last is not None and not upgraded.failures and (checked.last is None or upgraded.last > checked.last):
        checked = upgraded
    if upgraded.last is None:
        # A slot that was missed since then is made up for: else a machine that is off at night would wait for ever.
        upgraded = JobAttempts(last=host.known_since)
    share = stable_fraction(host.machine, "retry")
    every = Interval(interval=policy.check_interval, share=stable_fraction(host.machine, Job.CHECK.value))
    found = {Job.CHECK: next_run_at(every, checked, now=now, up_since=host.up_since, share=share, at_first=True)}
    if checked.last is not None and host.booted_at is not None and checked.last < host.booted_at:
        # What was seen before the boot says nothing of what runs now.
        found[Job.CHECK] = min(found[Job.CHECK], boot_grace_ends_at(host.up_since, share))
    if policy.upgrade:
        own = stable_fraction(host.machine, Job.UPGRADE.value)
        slots = Daily(at=policy.upgrade_at, splay=policy.splay, zone=host.zone, share=own)
        upgrade = next_run_at(slots, upgraded, now=now, up_since=host.up_since, share=share, at_first=False)
        found = {Job.UPGRADE: upgrade, **found}  # first, where both are due at the same moment
    return found
