"""Attempts of an exporter in a thread of the daemon, without a process. A thread that hangs is abandoned.

A thread cannot be killed, so at most one hangs for each exporter: until it ends, every attempt is a process.

Attempts of one tick share a thread, which runs while the tick's is asleep: threads that are at work at the same moment
take the interpreter's lock from each other and wake a hundred times. One that waits behind an attempt that hangs is
given up and never begun, so that its exporter may have another one.
"""

import _thread  # a Thread would have the one that starts it wait until it has begun
import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

from agent.core.policy.policy import Policy
from agent.host import log

IsAbandoned = Callable[[], bool]
_WAITING = 2
"""How many times its limit an attempt may wait for those before it in its thread."""


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
        """Export, and write the status file unless the attempt is abandoned, or others wrote it, by then; may block."""


class Attempt:
    """One attempt; the thread that runs it is the only one that writes `result` and `over`."""

    def __init__(self, exporter: InDaemon, policy: Policy, limit_s: float, wake: Callable[[], None]) -> None:
        """Begin nothing yet; `wake` is called, in the thread, when it has not done what is to be done."""
        self.result: AttemptResult | None = None
        self.abandoned = False
        self.over = False
        """Whether no thread is, or will be, busy with it."""
        self._exporter = exporter
        self._policy = policy
        self._limit_s = limit_s
        self._wake = wake
        self._waits_until_s = time.monotonic() + _WAITING * limit_s
        self._begun_at_s: float | None = None
        self._lock = _thread.allocate_lock()
        """Held to begin it and to abandon it: what was given up before it began is never begun."""

    @property
    def hangs(self) -> bool:
        """Whether its thread is busy with it, abandoned or not."""
        return self._begun_at_s is not None and not self.over

    @property
    def overdue(self) -> bool:
        """Whether it has no result and is beyond its limit, which counts from its begin."""
        begun_at_s = self._begun_at_s
        ends_at_s = self._waits_until_s if begun_at_s is None else begun_at_s + self._limit_s
        return self.result is None and time.monotonic() >= ends_at_s

    def settle(self) -> bool:
        """Abandon it if it has a result or is overdue; return whether it was."""
        with self._lock:
            self.abandoned = self.abandoned or self.result is not None or self.overdue
            return self.abandoned

    def abandon(self) -> None:
        """Ignore it from now on; it does not begin any more."""
        with self._lock:
            self.abandoned = True

    def run(self) -> None:
        """Export, unless it was abandoned meanwhile; raises nothing."""
        result = AttemptResult.PROCESS_NEEDED
        try:
            if self._begin():
                result = self._exporter.run(self._policy, lambda: self.abandoned)
        except Exception:  # noqa: BLE001 - the daemon's loop, in another thread
            log.exception(log.LogEvent.DAEMON_BUG)
        self.end(result)

    def _begin(self) -> bool:
        with self._lock:
            if not self.abandoned:
                self._begun_at_s = time.monotonic()
            return not self.abandoned

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
        attempt = self._attempt  # a tick in another thread may drop it
        return attempt is not None and attempt.overdue

    def start(self, policy: Policy, limit_s: float, *, unchanged: bool) -> bool:
        """Start an attempt; return whether that was possible. `limit_s` seconds after its begin it is abandoned."""
        hangs = self._last is not None and self._last.hangs
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
        if attempt is None or not attempt.settle():
            return None
        self._attempt = None
        return attempt.result or AttemptResult.PROCESS_NEEDED

    def abandon(self) -> None:
        """Ignore the attempt from now on."""
        if self._attempt is not None:
            self._attempt.abandon()
            self._attempt = None
