"""Attempts of an exporter in a thread of the daemon, without a process. A thread that hangs is abandoned.

A thread cannot be killed, so at most one hangs for each exporter: until it ends, every attempt is a process.
"""

import time
from collections.abc import Callable, Sequence
from enum import Enum
from threading import Thread
from typing import Protocol

from agent.core.policy.policy import Policy
from agent.host import log

IsAbandoned = Callable[[], bool]
Begin = Callable[[Callable[[], None]], None]
"""Calls what it gets, now or at the end of the tick: two threads at work wake each other all the time."""


def at_once(start: Callable[[], None]) -> None:
    """Call it now."""
    start()


class AttemptResult(Enum):
    """What came of an attempt."""

    DONE = "done"
    FAILED = "failed"
    """The status file says why, and from when on the next attempt may be made."""
    PROCESS_NEEDED = "process-needed"
    """At once: it has to do what the daemon cannot."""


class InDaemon(Protocol):
    """The part of an exporter that the daemon can do itself; its process does everything."""

    process_arguments: Sequence[str]
    """Added to the command line of the exporter's process."""

    def applies(self, policy: Policy, *, unchanged: bool) -> bool:
        """Return whether an attempt is worth a thread; called within a tick, so it must not block.

        `unchanged`: no job, run or request was recorded since the exporter's process was started last.
        """

    def run(self, policy: Policy, is_abandoned: IsAbandoned) -> AttemptResult:
        """Export, and write the status file unless the attempt is abandoned by then; may block."""


class _Attempt:
    """One attempt; its thread is the only one that writes `result`."""

    def __init__(self, limit_s: float) -> None:
        self.ends_at_s = time.monotonic() + limit_s
        self.result: AttemptResult | None = None
        self.abandoned = False


class InDaemonAttempts:
    """The attempts of one exporter: one at a time."""

    def __init__(self, exporter: InDaemon, wake: Callable[[], None], begin: Begin = at_once) -> None:
        """Take the exporter, and what is called, in the thread, when an attempt has not done it."""
        self.exporter = exporter
        self._wake = wake
        self._begin = begin
        self._attempt: _Attempt | None = None
        self._thread: Thread | None = None

    @property
    def running(self) -> bool:
        """Whether an attempt is running; an abandoned one does not count."""
        return self._attempt is not None

    @property
    def overdue(self) -> bool:
        """Whether the attempt is beyond its limit and has no result."""
        attempt = self._attempt
        return attempt is not None and attempt.result is None and time.monotonic() >= attempt.ends_at_s

    def start(self, policy: Policy, limit_s: float, *, unchanged: bool) -> bool:
        """Start an attempt; return whether that was possible. After `limit_s` seconds it is abandoned."""
        hangs = self._thread is not None and self._thread.is_alive()
        if hangs or not self.exporter.applies(policy, unchanged=unchanged):
            return False
        attempt = _Attempt(limit_s)
        self._thread = Thread(target=self._run, args=(attempt, policy), name="exporter", daemon=True)
        self._attempt = attempt
        self._begin(self._start_thread)
        return self.running

    def _start_thread(self) -> None:
        try:
            if self._thread is not None:
                self._thread.start()
        except RuntimeError:  # no more threads
            if self._attempt is not None:
                self._attempt.result = AttemptResult.PROCESS_NEEDED
            self._wake()

    def take_result(self) -> AttemptResult | None:
        """Return the result of an attempt that is not running any more, once; None if there is none.

        One that is beyond its limit is abandoned: the process is needed.
        """
        attempt = self._attempt
        if attempt is None or (attempt.result is None and time.monotonic() < attempt.ends_at_s):
            return None
        self.abandon()
        return attempt.result or AttemptResult.PROCESS_NEEDED

    def abandon(self) -> None:
        """Ignore the attempt from now on."""
        if self._attempt is not None:
            self._attempt.abandoned, self._attempt = True, None

    def _run(self, attempt: _Attempt, policy: Policy) -> None:
        result = AttemptResult.PROCESS_NEEDED
        try:
            result = self.exporter.run(policy, lambda: attempt.abandoned)
        except Exception:  # noqa: BLE001 - the daemon's loop, in another thread
            log.exception(log.LogEvent.DAEMON_BUG)
        attempt.result = result
        if result is not AttemptResult.DONE and not attempt.abandoned:
            self._wake()
