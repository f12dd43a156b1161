"""Opens and makes files where others may have put something that is no file. Light: `status` reads through here."""

import errno
import os
import stat
from contextlib import suppress


def open_regular(path: str, flags: int) -> int:
    """Open a file without waiting, as an `opener` of open(): a pipe in its place must not hang whoever reads it.

    Raises:
        OSError: it cannot be opened, or is neither a file nor a directory, which has an error of its own.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return descriptor


def open_new(path: str, flags: int) -> int:
    """Make a file, as an `opener` of open(): what has its name is removed first, and never written through.

    For directories that another user owns: a link that lies there in wait must not have root write where it points.

    Raises:
        OSError: it cannot be made.
    """
    with suppress(FileNotFoundError):
        os.unlink(path)
    return os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
