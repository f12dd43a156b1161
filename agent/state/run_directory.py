"""What a start of the daemon does about its directory under /run, which a restart of the service keeps.

What somebody planted there, or a mistake, must not prevent every later start.
"""

import os
import re
import shutil
import stat
import time
from contextlib import suppress

_STATUS_FILE = re.compile(r"(daemon|exporter-[a-z]+)\.json(\.new)?")
"""The files of the daemon and of its exporters. Nothing else is touched: the directory can be any."""


def make_way(path: str) -> None:
    """Remove what has the name of a file and is none; let this user use the file. Best effort: opening it tells."""
    with suppress(OSError, RecursionError):
        mode = os.lstat(path).st_mode
        if stat.S_ISREG(mode):
            os.chmod(path, mode | stat.S_IRUSR | stat.S_IWUSR)
        elif stat.S_ISDIR(mode):
            # Renamed first: what is in it may be closed to this user, or deeper than can be removed.
            aside = f"{path}.{time.monotonic_ns()}"
            os.rename(path, aside)
            shutil.rmtree(aside)
        else:
            os.unlink(path)


def make_way_for_status_files(directory: str) -> None:
    """Make way for those of the daemon and of its exporters; best effort. Only for the holder of the daemon's lock."""
    with suppress(OSError):
        for name in os.listdir(directory):
            if _STATUS_FILE.fullmatch(name):
                make_way(os.path.join(directory, name))
