"""When a job is due: a daily time with a per-machine offset, or an interval; catch-up runs and retries after failures.

Pure: "now", the time zone and the machine's id are arguments. Level-triggered: the answer follows from the last
attempt, so a clock that jumps, a month without power and a restarted daemon are ordinary cases. A slot is due once at
most; a missed one gets one catch-up run.
"""

import hashlib
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from itertools import takewhile

from agent.core.clock import JOB_ATTEMPT_TOLERANCE, is_future
from agent.core.frozen import frozen
from agent.core.schedule.backoff import doubling_bound
from agent.core.windows import Opening, Window, openings

_FIRST_RETRY = timedelta(minutes=5)
_MAX_RETRY = timedelta(hours=4)
_BOOT_GRACE = timedelta(minutes=5)
"""Shortest time between boot and a catch-up run."""
_FIRST_RUN = timedelta(seconds=15)
"""Shortest time until a job that was never attempted, and need not wait for its slot."""
_DAY = timedelta(days=1)
_LONGEST_PAUSE = timedelta(days=40)
"""Longer than a monthly window is closed."""


@frozen
class Daily:
    """Once a day at a local time, plus this machine's part of the splay."""

    at: time
    splay: timedelta
    zone: tzinfo
    share: float
    """This machine's fraction of the splay, in [0, 1) (`stable_fraction`)."""

    def slot(self, day: date) -> datetime:
        """Return the slot of that local day, in UTC; a local time that daylight saving skips comes an hour later."""
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


@frozen
class Interval:
    """At a fixed interval of UTC, plus this machine's part of it."""

    interval: timedelta
    share: float

    def last(self, now: datetime) -> datetime:
        """Return the latest slot that is not after now."""
        epoch = datetime(1970, 1, 1, tzinfo=timezone.utc) + self.interval * self.share
        return epoch + (now - epoch) // self.interval * self.interval

    def next(self, now: datetime) -> datetime:
        """Return the earliest slot after now."""
        return self.last(now) + self.interval


@frozen
class OnceAnOpening:
    """Once in each opening of a maintenance window, plus this machine's part of the splay as far as it has room."""

    window: Window
    splay: timedelta
    zone: tzinfo
    share: float

    def last(self, now: datetime) -> datetime:
        """Return the latest slot that is not after now; a time long ago where there was none."""
        past = now - _LONGEST_PAUSE
        return max(takewhile(lambda slot: slot <= now, self._slots(past)), default=past)

    def next(self, now: datetime) -> datetime:
        """Return the earliest slot after now."""
        return next(slot for slot in self._slots(now) if slot > now)

    def admit(self, at: datetime, now: datetime) -> datetime:
        """Return when a job starts that is due at a time: then if the window is open then, else in its next slot.

        A slot that was missed counts as the one of the present opening.
        """
        start = max(at, now)
        opening = next(openings(self.window, start, self.zone))
        return max(at, self._slot(opening)) if at < opening.start else at

    def _slots(self, since: datetime) -> Iterator[datetime]:
        return map(self._slot, openings(self.window, since, self.zone))

    def _slot(self, opening: Opening) -> datetime:
        return opening.start + min(self.splay, (opening.end - opening.start) / 2) * self.share


@frozen
class JobAttempts:
    """The recorded attempts of one job."""

    last: datetime | None = None
    """End of the last attempt, or its start if it has not ended."""
    failures: int = 0
    """Failed attempts in a row, the last one included."""


def stable_fraction(machine: str, purpose: str) -> float:
    """Return a number in [0, 1), always the same for a machine and purpose, uniform over machines."""
    digest = hashlib.sha256(f"{purpose}\n{machine}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / (1 << 56)


def next_run_at(
    slots: Daily | Interval | OnceAnOpening,
    attempts: JobAttempts,
    *,
    now: datetime,
    up_since: datetime,
    share: float,
    at_first: bool,
) -> datetime:
    """Return when the job starts next; a time that is not after now means at once.

    `up_since` is when the daemon started, so jobs could run from then on. With `at_first` a job that was never
    attempted is due soon; otherwise it waits for its next slot.
    """
    last, slot, settled = attempts.last, slots.last(now), boot_grace_ends_at(up_since, share)
    if last is None:
        return up_since + _FIRST_RUN * (1 + 3 * share) if at_first else max(slots.next(up_since), slot)
    if is_future(last, now, JOB_ATTEMPT_TOLERANCE):
        return settled  # recorded while the clock was ahead: do not wait until the clock is there again
    if last < slot:
        return slot if slot >= up_since else max(slot, settled)
    if attempts.failures:
        return min(last + retry_delay(attempts.failures, share), slots.next(now))
    return slots.next(now)


def boot_grace_ends_at(up_since: datetime, share: float) -> datetime:
    """Return when catch-up runs may start on a machine that is up since then, spread over machines."""
    return up_since + _BOOT_GRACE * (1 + share)


def retry_delay(failures: int, share: float) -> timedelta:
    """Return the delay after so many failures in a row: 5 min, doubling up to 4 h, spread over machines by ±25 %."""
    return doubling_bound(_FIRST_RETRY, failures, _MAX_RETRY) * (0.75 + share / 2)
