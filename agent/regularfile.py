"""Opens files that may have been replaced by something that is no file. Light: `status` reads through here."""

import errno
import os
import stat


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
