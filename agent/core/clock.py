"""Wall clock anomalies: one table of tolerances, and the comparisons that use them. Pure and light.

A clock is slewed by NTP, stepped by a person or at resume, or wrong until the first synchronisation after boot. Each
tolerance is as small as its normal cause allows, so that a wrong clock is noticed and an ordinary correction is not.
"""

from datetime import datetime, timedelta

CLOCK_STEP = timedelta(seconds=5)
"""Change of (wall clock - monotonic clock) between two checks by the daemon that counts as a step. Slewing moves it by
10 ms in 20 s (500 ppm, adjtimex(2)), a leap second by 1 s."""
ENDPOINT_SKEW_TOLERANCE = timedelta(seconds=30)
"""A larger difference between the clocks of this machine and the endpoint is shown."""
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
OUTBOX_PAUSE = timedelta(days=1)
"""The outbox enforces its limits far more often than this: after such a pause the clock jumped ahead, or the machine
was off. Queued events are kept for as long again, so that they can be sent before they expire."""


def is_future(when: datetime, now: datetime, tolerance: timedelta = timedelta(0)) -> bool:
    """Return whether a recorded time lies ahead by more than the tolerance: a clock was wrong, then or now."""
    return when > now + tolerance


def jumped(before_s: float, after_s: float) -> bool:
    """Return whether the wall clock was stepped, from its distance to the monotonic clock at two moments."""
    return abs(after_s - before_s) > CLOCK_STEP.total_seconds()
