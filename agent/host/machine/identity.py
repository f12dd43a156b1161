"""Machine ID and time zone."""

import os
from datetime import timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

_MACHINE_ID = Path("/etc/machine-id")
_LOCAL_TIME = Path("/etc/localtime")


def machine_id() -> str:
    """Return machine-id(5), or the host name if there is none (container images). Confidential: never print it."""
    try:
        found = _MACHINE_ID.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        found = ""
    return found or os.uname().nodename


def local_zone() -> tzinfo:
    """Return the machine's time zone (localtime(5)), UTC if none is set. Not cached: it may change."""
    try:
        with _LOCAL_TIME.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return timezone.utc
