"""When a job is due: a daily time with a splay of the machine's own, an interval, and what missed or failed runs mean.

Pure: "now" and the time zone are values, and so is whatever tells one machine from another. Level-triggered: the
answer follows from what was last attempted, so that a clock that jumps, a month without power or a restarted
daemon are ordinary cases. Nothing is due twice for one slot, and a slot that was missed is made up for once.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo

_RETRY_FIRST = timedelta(minutes=5)
_RETRY_LONGEST = timedelta(hours=4)
_SETTLED = timedelta(minutes=5)
"""What a machine that has just booted is left in peace for at least, before a missed job is made up for."""
_FIRST = timedelta(seconds=15)
"""How soon a job that was never attempted, and need not wait for its time, is due."""
_CLOCK_SLACK = timedelta(hours=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily:
    """Once a day at a local time, later by a part of the splay that is the machine's own."""

    at: time
    splay: timedelta
    zone: tzinfo
    share: float
    """This machine's part of the splay, 0 up to 1 (`stable_fraction`)."""

    def slot(self, day: date) -> datetime:
        """Return the one moment (UTC) of that local day; a time that the clocks leap over comes an hour later."""
        local = datetime.combine(day, self.at, self.zone)
        return local.astimezone(timezone.utc) + self.splay * self.share

    def last(self, now: datetime) -> datetime:
        """Return the latest slot that is not after now."""
        today = now.astimezone(self.zone).date()
        days = (today + _DAY * back for back in (1, 0, -1, -2))
        return next(slot for slot in map(self.slot, days) if slot <= now)

    def next(self, now: datetime) -> datetime:
        """Return the earliest slot after now."""
        today = now.astimezone(self.zone).date()
        return next(slot for slot in (self.slot(today + _DAY * ahead) for ahead in (-1, 0, 1, 2)) if slot > now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """At a fixed interval of UTC, shifted by a part of it that is the machine's own."""

    interval: timedelta
    share: float

    def last(self, now: datetime) -> datetime:
        """Return the latest slot that is not after now."""
        epoch = datetime(1970, 1, 1, tzinfo=timezone.utc) + self.interval * self.share
        return epoch + (now - epoch) // self.interval * self.interval

    def next(self, now: datetime) -> datetime:
        """Return the earliest slot after now."""
        return self.last(now) + self.interval


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAttempts:
    """What is remembered of a job's runs."""

    last: datetime | None = None
    """When the last attempt ended, or began where it has not ended."""
    failures: int = 0
    """How many attempts in a row failed, the last one among them."""


def stable_fraction(machine: str, purpose: str) -> float:
    """Return a number from 0 up to 1 that is always the same for a machine and purpose, and uniform over machines."""
    digest = hashlib.sha256(f"{purpose}\n{machine}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / (1 << 56)


def next_run_at(
    slots: Daily | Interval, attempts: JobAttempts, *, now: datetime, up_since: datetime, share: float, at_first: bool
) -> datetime:
    """Return when the job is next to begin; a moment that is not after now means at once.

    `up_since` is when this machine, or the daemon on it, began to be able to run jobs. `at_first` makes a job that
    was never attempted due soon, where otherwise it waits for its next slot.
    """
    last, slot, settled = attempts.last, slots.last(now), boot_grace_ends_at(up_since, share)
    if last is None:
        return up_since + _FIRST * (1 + 3 * share) if at_first else max(slots.next(up_since), slot)
    if last > now + _CLOCK_SLACK:
        return settled  # the clock was ahead then: what it said is no reason to wait for it to come true
    if last < slot:
        return slot if slot >= up_since else max(slot, settled)
    if attempts.failures:
        return min(last + retry_delay(attempts.failures, share), slots.next(now))
    return slots.next(now)


def boot_grace_ends_at(up_since: datetime, share: float) -> datetime:
    """Return when a machine that is up since then has been left in peace for long enough, spread over machines."""
    return up_since + _SETTLED * (1 + share)


def retry_delay(failures: int, share: float) -> timedelta:
    """Return how long to wait after so many failures in a row: doubling, at most four hours, spread over machines."""
    longest = min(_RETRY_FIRST * (1 << min(failures - 1, 16)), _RETRY_LONGEST)
    return longest * (0.75 + share / 2)
