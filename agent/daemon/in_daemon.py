"""Attempts of an exporter in a thread of the daemon, without a process. A thread that hangs is abandoned.

A thread cannot be killed, so at most one hangs for each exporter: until it ends, every attempt is a process.

Attempts of one tick share a thread, which runs while the tick's is asleep: threads that are at work at the same moment
take the interpreter's lock from each other and wake a hundred times.
"""

import _thread  # a Thread would have the one that starts it wait until it has begun
import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

from agent.core.policy.policy import Policy
from agent.host import log

IsAbandoned = Callable[[], bool]


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


class Attempt:
    """One attempt; the thread that runs it is the only one that writes `result` and `over`."""

    def __init__(self, exporter: InDaemon, policy: Policy, limit_s: float, wake: Callable[[], None]) -> None:
        """Begin nothing yet; `wake` is called, in the thread, when it has not done what is to be done."""
        self.ends_at_s = time.monotonic() + limit_s
        self.result: AttemptResult | None = None
        self.abandoned = False
        self.over = False
        """Whether no thread is, or will be, busy with it."""
        self._exporter = exporter
        self._policy = policy
        self._wake = wake

    def run(self) -> None:
        """Export, unless it was abandoned meanwhile; raises nothing."""
        result = AttemptResult.PROCESS_NEEDED
        try:
            if not self.abandoned:
                result = self._exporter.run(self._policy, lambda: self.abandoned)
        except Exception:  # noqa: BLE001 - the daemon's loop, in another thread
            log.exception(log.LogEvent.DAEMON_BUG)
        self.end(result)

    def end(self, result: AttemptResult) -> None:
        """End it with this result."""
        self.result, self.over = result, True
        if result is not AttemptResult.DONE and not self.abandoned:
            self._wake()


Begin = Callable[[Attempt], None]
"""Has an attempt run beside the ticks, by `run_beside`."""


def run_beside(attempts: Sequence[Attempt]) -> None:
    """Run these one after the other in a new thread; one that hangs holds up those behind it until it is abandoned."""
    try:
        _thread.start_new_thread(_run_all, (tuple(attempts),))
    except RuntimeError:  # no more threads
        for attempt in attempts:
            attempt.end(AttemptResult.PROCESS_NEEDED)


def _run_all(attempts: Sequence[Attempt]) -> None:
    for attempt in attempts:
        attempt.run()


def run_at_once(attempt: Attempt) -> None:
    """Run it now, in a thread of its own."""
    run_beside((attempt,))


class InDaemonAttempts:
    """The attempts of one exporter: one at a time."""

    def __init__(self, exporter: InDaemon, wake: Callable[[], None], begin: Begin = run_at_once) -> None:
        """Take the exporter, what is called, in the thread, when an attempt has not done it, and what has it run."""
        self.exporter = exporter
        self._wake = wake
        self._begin = begin
        self._attempt: Attempt | None = None
        self._last: Attempt | None = None
        """Abandoned or not."""

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
        hangs = self._last is not None and not self._last.over
        if hangs or not self.exporter.applies(policy, unchanged=unchanged):
            return False
        self._attempt = self._last = Attempt(self.exporter, policy, limit_s, self._wake)
        self._begin(self._attempt)
        return True

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
