"""Mutual exclusion with apt's daily jobs, which include unattended-upgrades.

/usr/lib/apt/apt.systemd.daily takes flock(2) on `daily_lock` and waits up to an hour for it. Interactive package
managers do not use this lock: dpkg's locks exclude those.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apt_pkg

from agent.errors import BusyError, HostError
from agent.host.locks import LockHolder, LockWaiter, describe


@contextmanager
def apt_daily_lock(waiter: LockWaiter) -> Iterator[None]:
    """Hold apt's daily_lock for the block. If another process does not release it in time, continue without it.

    Raises:
        StoppedError: a stop was requested during the wait.
        HostError: the lock cannot be opened.
    """
    path = f"{apt_pkg.config.find_dir('Dir::State')}daily_lock"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise HostError(f"{path}: cannot be opened to lock it: {error.strerror}") from error
    try:
        with suppress(BusyError):  # a hung job, or a malicious holder; dpkg's locks still exclude us
            waiter.wait_until(lambda: None if _locked(descriptor) else _holder(path))
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(path: str) -> tuple[str, LockHolder] | None:
    """Find a process that has the file open: the kernel reports flock(1), which took the lock and has exited.

    The file is world-readable, so any user can lock it. Only processes started by root are waited for: a user must
    not block updates.
    """
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has exited
            own = process.name == str(os.getpid())
            if not own and _started_by_root(process) and any(os.readlink(at) == path for at in process.glob("fd/*")):
                return path, describe(int(process.name))
    return None


def _started_by_root(process: Path) -> bool:
    """Whether root started it: checks the real UID, as a setuid program has only the other IDs of root (proc(5))."""
    return bool(re.search(r"^Uid:\t0\t", (process / "status").read_text(errors="replace"), re.MULTILINE))
