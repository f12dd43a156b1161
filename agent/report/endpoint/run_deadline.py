"""The end of the time for all requests of one run of the exporter: each of them alone may be slow and still in time."""

import time
from datetime import timedelta

REQUESTS = 2
"""Timeouts of one request that a run may take: below what the daemon allows it (`agent.daemon.export_supervisor`)."""


class RunDeadline:
    """Counts from the first request on, by the monotonic clock: this machine's own work before does not count."""

    def __init__(self, timeout: timedelta) -> None:
        """Take the timeout of one request; counts nothing yet."""
        self._timeout = timeout
        self._limit = REQUESTS * timeout
        self._at_s: float | None = None

    def next_limit(self) -> timedelta:
        """Return what the next request may take; not more than zero if the run has to end."""
        if self._at_s is None:
            self._at_s = time.monotonic() + self._limit.total_seconds()
        return min(self._timeout, timedelta(seconds=self._at_s - time.monotonic()))

    @property
    def passed(self) -> bool:
        """Whether the run has to end."""
        return self._at_s is not None and self.next_limit() <= timedelta(0)

    @property
    def why(self) -> str:
        """What is wrong if it has passed, for a person."""
        return f"the requests of one run took longer than {self._limit.total_seconds():g} seconds"
