"""The boot ID. Light: imported by `status`."""

import os
import re

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_BOOT_ID_VARIABLE = "MAESTRO_BOOT_ID"
"""Set by the unit, whose sandbox hides /proc except for processes (ProcSubset=pid)."""
_UUID = re.compile(r"([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})")


def boot_id() -> str | None:
    """Return the kernel's boot ID as a UUID; None if it is not readable."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            text = file.read()
    except (OSError, ValueError):
        text = os.environ.get(_BOOT_ID_VARIABLE, "")
    found = _UUID.fullmatch(text.strip().lower())
    return "-".join(found.groups()) if found else None
