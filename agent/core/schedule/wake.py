"""When the daemon looks again: at the next moment that changes something. Pure.

What comes from outside, such as a flag or a new record, wakes it; the limit is for what neither clock nor kernel names.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

BUSY_INTERVAL = timedelta(seconds=30)
"""While something is under way, or where the kernel does not report changes."""
LONGEST_SLEEP = timedelta(minutes=5)
"""Less than the time for which a change of packages has to settle (`agent.core.schedule.jobs`)."""


def next_look(moments: Iterable[datetime], now: datetime, *, quiet: bool) -> datetime:
    """Return when the daemon looks again; `moments` are when jobs and exporters are due, by this look.

    `quiet`: nothing is under way or waits, and changes are reported. What is due already and was not started is tried
    again soon.
    """
    due = list(moments)
    soon = not quiet or any(at <= now for at in due)
    limit = now + (BUSY_INTERVAL if soon else LONGEST_SLEEP)
    return min(at for at in (*due, limit) if at > now)
