"""A time limit as one more reason to stop."""

import time
from datetime import timedelta

from agent.core.ports import Stop


def within(limit: timedelta, stop: Stop, late: str) -> Stop:
    """Stop for its reasons, or for the reason `late` once the limit, counted from now, is over."""
    deadline = time.monotonic() + limit.total_seconds()
    return lambda: stop() or (late if time.monotonic() > deadline else "")
