"""Adds a time limit to a job's control."""

import time
from datetime import timedelta

from agent.core.frozen import replace
from agent.core.job_control import JobControl


def with_time_limit(control: JobControl, limit: timedelta, late: str) -> JobControl:
    """Return a control whose stop reason is also `late` once `limit` from now has passed."""
    deadline = time.monotonic() + limit.total_seconds()
    return replace(control, stop=lambda: control.stop() or (late if time.monotonic() > deadline else ""))
