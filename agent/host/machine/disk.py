"""Free space of a file system."""

import os
from pathlib import Path


def free_bytes(directory: str) -> int:
    """Return the bytes available on the file system of a directory, or of its nearest existing parent."""
    path = Path(directory)
    while not path.exists():
        path = path.parent
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize
