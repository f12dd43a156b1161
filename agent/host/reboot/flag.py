"""The flag that packages set for a reboot. Light: imported by `status`.

Its name is that of update-notifier-common's convention, or that of other tools, for which cloud-init looks as well.
"""

import os

FLAG_NAMES = ("reboot-required", "reboot-needed")
_FLAGS = tuple(f"{directory}/{name}" for name in FLAG_NAMES for directory in ("run", "var/run"))
"""Usually the same directory. If /var/run is not a symlink, packages may have written to either."""
LATEST = 253402300799.0
"""The last second of the year 9999, Python's latest date."""


def read_flag(root: str = "/") -> tuple[tuple[str, ...], float] | None:
    """Return the packages that set the flag and since when it is set (Unix time); None if it is not set.

    Raises:
        OSError: the flag cannot be read.
    """
    for flag in (os.path.join(root, name) for name in _FLAGS):
        try:
            since = min(os.stat(flag).st_mtime, LATEST)
        except FileNotFoundError:
            continue
        return _packages(f"{flag}.pkgs"), since
    return None


def _packages(path: str) -> tuple[str, ...]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return tuple(sorted({line.strip() for line in file if line.strip()}))
    except FileNotFoundError:
        return ()
