"""Wall clock anomalies: one table of tolerances, and the comparisons that use them. Pure and light.

A clock is slewed by NTP, stepped by a person or at resume, or wrong until the first synchronisation after boot. Each
tolerance is as small as its normal cause allows, so that a wrong clock is noticed and an ordinary correction is not.
"""

from datetime import datetime, timedelta

CLOCK_STEP = timedelta(seconds=5)
"""Change of (wall clock - monotonic clock) between two looks of the daemon that counts as a step. Slewing moves it by
10 ms in 20 s (500 ppm, adjtimex(2)), a leap second by 1 s."""
EXPORT_ATTEMPT_TOLERANCE = timedelta(minutes=1)
"""How far an exporter's last attempt may lie ahead before its backoff is ignored: the clock was set back since."""
BOOT_TIME_TOLERANCE = timedelta(minutes=2)
"""How far the computed boot time (now - uptime) may move, because the clock was set, and still mean the same boot."""
RECORD_TOLERANCE = timedelta(minutes=5)
"""How far a file or document of this machine may lie ahead before its time counts as wrong."""
JOB_ATTEMPT_TOLERANCE = timedelta(hours=1)
"""How far a job's last attempt may lie ahead and still count, so that an ordinary correction does not run it twice."""
MAX_EXPORT_WAIT = timedelta(hours=2)
"""No backoff is longer (`agent.core.schedule.backoff`); a later `not_before` was written under a wrong clock."""


def is_future(when: datetime, now: datetime, tolerance: timedelta = timedelta(0)) -> bool:
    """Return whether a recorded time lies ahead by more than the tolerance: a clock was wrong, then or now."""
    return when > now + tolerance


def jumped(before_s: float, after_s: float) -> bool:
    """Return whether the wall clock was stepped, from its distance to the monotonic clock at two moments."""
    return abs(after_s - before_s) > CLOCK_STEP.total_seconds()
