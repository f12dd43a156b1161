"""Adds a time limit to a stop callback."""

import time
from datetime import timedelta

from agent.core.ports import StopReason


def stop_after(limit: timedelta, stop: StopReason, late: str) -> StopReason:
    """Return a callback that returns the reason of `stop`, or `late` once `limit` from now has passed."""
    deadline = time.monotonic() + limit.total_seconds()
    return lambda: stop() or (late if time.monotonic() > deadline else "")
