"""Whether a file is still the one that was read before, without reading it again. Light: `status` imports it."""

import os

FileVersion = tuple[int, int, int, int, int]
"""Size in bytes, device, inode, times of the last change of content and of inode in ns."""


def file_version(path: str) -> FileVersion:
    """Return a value that differs once the file was replaced or changed.

    Files of the record and of dpkg are replaced by a rename, which changes the inode. A change in place within the
    resolution of timestamps (some milliseconds) that keeps the size would not be seen.

    Raises:
        OSError: there is no such file, or it cannot be seen.
    """
    found = os.stat(path)
    return (found.st_size, found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns)
