"""apt's own daily jobs, unattended-upgrades among them: they and ours take turns, by the lock that they know.

/usr/lib/apt/apt.systemd.daily takes flock(2) on `daily_lock` and waits an hour for it. Whoever installs by hand knows
nothing of that lock: for those there are dpkg's.
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
def apt_daily_lock(patience: LockWaiter) -> Iterator[None]:
    """Have the block while none of apt's daily jobs runs, and none begins; one that never ends is waited for in vain.

    Raises:
        StoppedError: a stop was asked for while it was waited for.
        HostError: the lock cannot be opened.
    """
    path = f"{apt_pkg.config.find_dir('Dir::State')}daily_lock"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise HostError(f"{path}: cannot be opened to lock it: {error.strerror}") from error
    try:
        with suppress(BusyError):  # it is stuck, or somebody means harm; dpkg's own locks still keep us apart
            patience.wait_until(lambda: None if _locked(descriptor) else _holder(path))
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
    """Find who has the file open: the process that the kernel names is the flock(1) that took the lock, and ended.

    The file is for everyone to read, so anybody can lock it. Only what root itself began is waited for: a user must
    not keep a machine from its updates.
    """
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            ours = process.name == str(os.getpid())
            if not ours and _is_roots(process) and any(os.readlink(at) == path for at in process.glob("fd/*")):
                return path, describe(int(process.name))
    return None


def _is_roots(process: Path) -> bool:
    """Whether root began it: a user's program that is setuid is root's by its other ids (proc(5))."""
    return bool(re.search(r"^Uid:\t0\t", (process / "status").read_text(errors="replace"), re.MULTILINE))
