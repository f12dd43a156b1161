"""`opener`s for open() in directories that other users may write to; fsync of a directory.

Light: `status` reads through here.
"""

import errno
import os
import stat
from contextlib import suppress


def open_regular(path: str, flags: int) -> int:
    """Open a file without blocking, as an `opener` of open(): a pipe in its place must not hang the reader.

    Raises:
        OSError: it cannot be opened, or is neither a file nor a directory (read() of a directory fails by itself).
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return descriptor


def open_new(path: str, flags: int) -> int:
    """Create a file, as an `opener` of open(): an existing one is removed first, and never written through.

    For directories that another user owns: a link planted there must not make root write to its target.

    Raises:
        OSError: it cannot be created.
    """
    with suppress(FileNotFoundError):
        os.unlink(path)
    return os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def sync_directory(path: str) -> None:
    """Have the names in a directory on the disk, as after a rename.

    Raises:
        OSError: the directory cannot be opened or written.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
