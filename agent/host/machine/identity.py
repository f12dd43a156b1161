"""Machine ID."""

import os
from pathlib import Path

_MACHINE_ID = Path("/etc/machine-id")


def machine_id() -> str:
    """Return machine-id(5), or the host name if there is none (container images). Confidential: never print it."""
    try:
        found = _MACHINE_ID.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        found = ""
    return found or os.uname().nodename
