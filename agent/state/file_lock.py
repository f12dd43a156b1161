"""fcntl(2) record locks, as dpkg and apt use them: the kernel names the holder and releases the lock when it exits.

Caution: closing any descriptor of a file drops every lock that this process holds on it. Light: `status` imports it.
"""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from agent.errors import BusyError, HostError

_FLOCK = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux: type, whence, start, length, pid


@contextmanager
def exclusive(path: str, *, busy: str, mode: int = 0o600) -> Iterator[None]:
    """Hold a lock file for the length of the block; the file is created if missing.

    `busy` is the error message if another process holds the lock; `{pid}` in it becomes that process.

    Raises:
        BusyError: another process holds the lock. HostError: the file cannot be opened.
    """
    try:
        descriptor = try_lock(path, mode)
    except OSError as error:
        raise HostError(f"{path}: cannot be opened: {error.strerror}") from error
    if descriptor is None:
        raise BusyError(busy.format(pid=holder_pid(path)))
    try:
        yield
    finally:
        os.close(descriptor)


def holder_pid(path: str) -> int | None:
    """Return the other process that holds a lock on the file; None if there is none, or the file cannot be opened."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe in its place must not hang
    except OSError:
        return None
    try:
        query = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, query))
    finally:
        os.close(descriptor)
    return None if kind == fcntl.F_UNLCK else int(pid)


def try_lock(path: str, mode: int) -> int | None:
    """Lock a file, created if missing, and return its descriptor: closing it unlocks. None if the lock is held.

    Raises:
        OSError: the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # fcntl(2): either may mean that the lock is held
        os.close(descriptor)
        return None
    return descriptor
