"""A time limit as one more reason to stop."""

import time
from datetime import timedelta

from agent.core.ports import StopReason


def stop_after(limit: timedelta, stop: StopReason, late: str) -> StopReason:
    """Stop for its reasons, or for the reason `late` once the limit, counted from now, is over."""
    deadline = time.monotonic() + limit.total_seconds()
    return lambda: stop() or (late if time.monotonic() > deadline else "")
