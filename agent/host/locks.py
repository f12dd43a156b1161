"""Waits for the package manager's locks up to a deadline, and names the holder.

dpkg and apt use fcntl(2) record locks, so the kernel reports the holder (F_GETLK).
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from agent.core.frozen import frozen
from agent.core.job_control import JobControl
from agent.core.model.outcome import LockWait
from agent.errors import BusyError, HostError, StoppedError
from agent.state.file_lock import holder_pid, try_lock
from agent.state.timestamps import format_human, utc_now

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 1.0


@frozen
class LockHolder:
    """The process that holds a lock."""

    pid: int
    program: str
    since: datetime | None
    """Start time of the process; the time at which it took the lock is not recorded."""

    def __str__(self) -> str:
        """Format for messages: "apt-get (pid 812, since 2026-11-23 05:10 UTC)"."""
        since = f", since {format_human(self.since)}" if self.since else ""
        return f"{self.program} (pid {self.pid}{since})"


class LockWaiter:
    """Waits for locks held by other processes, and records how long and for whom."""

    def __init__(self, timeout: timedelta, control: JobControl) -> None:
        self._timeout = timeout
        self._control = control
        self.wait = LockWait()

    def wait_until_free(self, paths: tuple[str, ...]) -> None:
        """Return once no other process holds a lock on any of the files.

        Raises:
            BusyError, StoppedError: as `wait_until`.
        """
        self.wait_until(lambda: first_holder(paths))

    def wait_until(self, find: Callable[[], tuple[str, LockHolder] | None]) -> None:
        """Poll `find`, which returns a locked path and its holder, until it returns None.

        Raises:
            BusyError: the lock was still held at the deadline; the message names program, pid and start time.
            StoppedError: a stop was requested.
        """
        started = time.monotonic()
        deadline = started + self._timeout.total_seconds()
        pause = _FIRST_PAUSE_S
        reported = ""
        while (found := find()) is not None:
            path, holder = found
            self.wait = LockWait(waited_s=round(time.monotonic() - started, 3), by=str(holder))
            if time.monotonic() >= deadline:
                raise BusyError(
                    f"{holder} holds {path}; waited {self._timeout.total_seconds():.0f} s (apt.lock_timeout). "
                    "Run it again when that program is done"
                )
            if reason := self._control.stop():
                raise StoppedError(f"{reason}: stopped while waiting for {holder}")
            if reported != str(holder):
                reported = str(holder)
                self._control.step(f"waiting for {holder}, which holds {path}")
            self._control.alive()
            time.sleep(min(pause, max(deadline - time.monotonic(), 0.01)))
            pause = min(pause * 2, _LONGEST_PAUSE_S)
        if reported:
            self.wait = LockWait(waited_s=round(time.monotonic() - started, 3), by=reported)


def first_holder(paths: tuple[str, ...]) -> tuple[str, LockHolder] | None:
    """Return the first of these files that another process has locked, and its holder; None if all are free."""
    for path in paths:
        holder = holder_of(path)
        if holder is not None:
            return path, holder
    return None


def holder_of(path: str) -> LockHolder | None:
    """Return the process that holds a record lock on the file; None if it is unlocked or missing."""
    pid = holder_pid(path)
    return None if pid is None else describe(pid)


@contextmanager
def locked(path: str, waiter: LockWaiter) -> Iterator[None]:
    """Hold the record lock on a file for the block; the file is created if missing.

    Raises:
        BusyError, StoppedError: as `LockWaiter.wait_until_free`.
        HostError: the file cannot be opened.
    """
    descriptor = _acquire(path, waiter)
    try:
        yield
    finally:
        os.close(descriptor)


def _acquire(path: str, waiter: LockWaiter) -> int:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)  # apt recreates missing cache directories, too
        while (descriptor := try_lock(path, 0o640)) is None:
            waiter.wait_until_free((path,))
    except OSError as error:
        raise HostError(f"{path}: cannot be opened to lock it: {error.strerror}") from error
    return descriptor


def describe(pid: int) -> LockHolder:
    """Describe a process from /proc; pid 0 and -1 are invisible holders (another PID namespace, OFD locks)."""
    try:
        program = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
        started_ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return LockHolder(pid=pid, program="an invisible process", since=None)
    # Not /proc/uptime, which lxcfs replaces by the container's: the start counts from the boot of the kernel.
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - started_ticks / os.sysconf("SC_CLK_TCK")
    return LockHolder(pid=pid, program=program, since=utc_now() - timedelta(seconds=age_s))
