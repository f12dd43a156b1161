"""The machine's time zone. By itself: `zoneinfo` costs as much as half a start of Python."""

from datetime import timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

_LOCAL_TIME = Path("/etc/localtime")


def local_zone() -> tzinfo:
    """Return the machine's time zone (localtime(5)), UTC if none is set. Not cached: it may change."""
    try:
        with _LOCAL_TIME.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return timezone.utc
