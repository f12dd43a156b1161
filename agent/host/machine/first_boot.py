"""When this server booted for the first time.

cloud-init marks what it has done once for an instance in files (its documentation, "Semaphores"): their earliest time
is that of the first boot, also where an image was booted before it was copied. Without them it is the time of
/etc/machine-id, which the first boot writes (machine-id(5)): an image has to be without one, or with an empty one.
"""

import os
from contextlib import suppress
from datetime import datetime, timezone

_SEMAPHORES = "/var/lib/cloud/instance/sem"
_MACHINE_ID = "/etc/machine-id"


def first_booted_at(root: str = "/") -> datetime | None:
    """Return the time of the first boot; None: unknown."""
    times = _times(os.path.join(root, _SEMAPHORES.lstrip("/")))
    with suppress(OSError):
        times = times or [os.stat(os.path.join(root, _MACHINE_ID.lstrip("/"))).st_mtime]
    try:
        return datetime.fromtimestamp(min(times), timezone.utc) if times else None
    except (OverflowError, ValueError):
        return None


def _times(directory: str) -> list[float]:
    try:
        with os.scandir(directory) as entries:
            return [entry.stat().st_mtime for entry in entries]
    except OSError:
        return []
