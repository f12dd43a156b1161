"""The reboot-required flag that packages set (update-notifier-common's convention). Light: imported by `status`."""

import os

_FLAGS = ("/run/reboot-required", "/var/run/reboot-required")
"""Usually the same directory. If /var/run is not a symlink, packages may have written to either."""
_LATEST = 253402300799.0
"""The last second of the year 9999, Python's latest date."""


def read_flag() -> tuple[tuple[str, ...], float] | None:
    """Return the packages that require a reboot and since when (Unix time); None if no reboot is required.

    Raises:
        OSError: the flag cannot be read.
    """
    for flag in _FLAGS:
        try:
            since = min(os.stat(flag).st_mtime, _LATEST)
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
