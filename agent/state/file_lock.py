"""Record locks of fcntl(2), as dpkg and apt use them: the kernel knows who holds one, and forgets it with the process.

Beware: closing any descriptor of a file drops every lock that this process has on it. Light: `status` asks here.
"""

import fcntl
import os
import struct

_FLOCK = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux: type, whence, start, length, pid


def holder_pid(path: str) -> int | None:
    """Return the process, not this one, that has locked the file; None where nobody has, or it cannot be opened."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    finally:
        os.close(descriptor)
    return None if kind == fcntl.F_UNLCK else int(pid)


def try_lock(path: str, mode: int) -> int | None:
    """Lock a file, made where missing, and return its descriptor, whose closing unlocks it; None where it is held.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # fcntl(2): either may mean that it is held
        os.close(descriptor)
        return None
    return descriptor
