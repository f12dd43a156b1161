"""Which of the scheduled jobs is due when, from the policy and the recorded attempts. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo

from agent.core.frozen import frozen
from agent.core.job_kinds import JobKind
from agent.core.model.facts import Unseen
from agent.core.policy.policy import AgentPolicy
from agent.core.schedule.slots import (
    Daily,
    Interval,
    JobAttempts,
    OnceAnOpening,
    boot_grace_ends_at,
    next_run_at,
    stable_fraction,
)
from agent.core.windows import Window

_SETTLED = timedelta(minutes=10)
"""Time without a change of dpkg's database after which somebody's work with packages counts as done."""
_LEAST_INTERVAL = timedelta(hours=1)
"""Shortest time between two checks, for machines on which another program installs packages all day."""

_TRIED_PER_PAUSE = 6
"""A recovery is tried again after a sixth of the time for which it has failed: what is down is so little longer."""


@frozen
class ScheduleContext:
    """What the schedule depends on besides the policy and the attempts."""

    machine: str
    """Id of this machine; seeds its offsets, never shown."""
    zone: tzinfo
    up_since: datetime
    """Since when jobs could run."""
    known_since: datetime | None = None
    """Start of the first job ever recorded on this machine; None if there was none."""
    booted_at: datetime | None = None
    """By the clock as it is set now; the last soft-reboot, which restarts all services, counts as a boot."""
    packages_changed_at: datetime | None = None
    """When dpkg's database, or what switches the distribution's daily job, last changed; None if unknown."""
    engine_interrupted: bool = False
    """Whether an upgrade was interrupted: a check finishes or rolls back that of an engine, and runs owed hooks."""
    interrupted_since: datetime | None = None
    """Start of the engine's upgrade that was interrupted; None: there is none, or it is unknown."""
    stands_aside: bool = False
    """Whether the distribution's daily job installs the updates, so that the daemon upgrades nothing."""
    upgrade_window: Window | Unseen | None = None
    """The only window in which the daily upgrade starts; None: at any time, Unseen: it cannot be read, so never."""


def enabled_jobs(policy: AgentPolicy) -> frozenset[JobKind]:
    """Return the jobs that the configuration schedules."""
    return frozenset({JobKind.CHECK, JobKind.UPGRADE} if policy.upgrade else {JobKind.CHECK})


def next_runs(
    policy: AgentPolicy, attempts: Mapping[JobKind, JobAttempts], host: ScheduleContext, now: datetime
) -> dict[JobKind, datetime]:
    """Return when each job starts next, the upgrade before the check if both are due at the same time.

    An upgrade starts with a check, so its last success counts for both.
    """
    never = JobAttempts()
    upgraded, checked = attempts.get(JobKind.UPGRADE, never), attempts.get(JobKind.CHECK, never)
    if upgraded.last is not None and not upgraded.failures and (checked.last is None or upgraded.last > checked.last):
        checked = upgraded
    if upgraded.last is None:
        # A slot missed since then gets a catch-up run: a machine that is off at night would never upgrade otherwise.
        upgraded = JobAttempts(last=host.known_since)
    share = stable_fraction(host.machine, "retry")
    every = Interval(interval=policy.check_interval, share=stable_fraction(host.machine, JobKind.CHECK.value))
    found = {JobKind.CHECK: next_run_at(every, checked, now=now, up_since=host.up_since, share=share, at_first=True)}
    if checked.last is not None and host.booted_at is not None and checked.last < host.booted_at:
        # A check from before the boot does not describe what runs now.
        found[JobKind.CHECK] = min(found[JobKind.CHECK], boot_grace_ends_at(host.up_since, share))
    changed = host.packages_changed_at
    if checked.last is not None and changed is not None and checked.last < changed <= now:
        # Somebody installed, removed or rolled back packages: the recorded plan does not describe the machine.
        settled = max(changed + _SETTLED, checked.last + _LEAST_INTERVAL)
        found[JobKind.CHECK] = min(found[JobKind.CHECK], settled)
    if host.engine_interrupted:
        soon = now if checked.last is None else checked.last + _retry_pause(host, checked.last)
        found[JobKind.CHECK] = min(found[JobKind.CHECK], max(soon, host.up_since))
    own = JobKind.UPGRADE in enabled_jobs(policy) and not host.stands_aside
    if own and not isinstance(host.upgrade_window, Unseen):
        upgrade = _next_upgrade(policy, host.upgrade_window, upgraded, host, now)
        found = {JobKind.UPGRADE: upgrade, **found}  # first, if both are due at the same time
    return found


def _retry_pause(host: ScheduleContext, last: datetime) -> timedelta:
    """Return how long after a check that could not finish an interrupted upgrade the next one comes.

    Containers may be down, so it is soon; and ever later where it has failed for hours, as with a stopped engine.
    """
    tried = last - max(host.interrupted_since, host.up_since) if host.interrupted_since else timedelta()
    return max(_SETTLED, tried / _TRIED_PER_PAUSE)


def _next_upgrade(
    policy: AgentPolicy, window: Window | None, upgraded: JobAttempts, host: ScheduleContext, now: datetime
) -> datetime:
    """Return when the daily upgrade starts: at its time, or once in each opening of its window and never outside."""
    share, offset = stable_fraction(host.machine, "retry"), stable_fraction(host.machine, JobKind.UPGRADE.value)
    if window is None:
        daily = Daily(at=policy.upgrade_at, splay=policy.splay, zone=host.zone, share=offset)
        return next_run_at(daily, upgraded, now=now, up_since=host.up_since, share=share, at_first=False)
    slots = OnceAnOpening(window=window, splay=policy.splay, zone=host.zone, share=offset)
    at = next_run_at(slots, upgraded, now=now, up_since=host.up_since, share=share, at_first=False)
    return slots.admit(at, now)


def first_due(due: Mapping[JobKind, datetime], now: datetime) -> JobKind:
    """Return the job that starts first; a reboot after every other job that is due, so that it is for them, too."""
    return min(due, key=lambda job: (due[job] > now, job is JobKind.REBOOT and due[job] <= now, due[job]))
