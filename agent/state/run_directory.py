"""The daemon's directory under /run as a start leaves it."""

import os
import shutil
from contextlib import suppress


def make_run_directory(directory: str) -> None:
    """Create the directory; remove what is in it and no file, and let this user use its files.

    A restart of the service keeps the directory: what somebody planted there, or a mistake, must not prevent every
    later start.

    Raises:
        OSError: it cannot be created or read, or something in it cannot be removed.
    """
    os.makedirs(directory, exist_ok=True)
    with os.scandir(directory) as found:
        entries = list(found)
    for entry in entries:
        if entry.is_file(follow_symlinks=False):
            with suppress(PermissionError):  # another user's: opening it says whether that matters
                os.chmod(entry.path, entry.stat(follow_symlinks=False).st_mode | 0o600, follow_symlinks=False)
        elif entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
