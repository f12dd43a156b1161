"""Which boot of the machine this is. Light: `status` asks."""

import os
import re

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_BOOT_ID_VARIABLE = "MAESTRO_BOOT_ID"
"""Set by the unit, whose sandbox shows nothing of /proc but processes."""
_UUID = re.compile(r"([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})")


def boot_id() -> str | None:
    """Return the kernel's name for this boot; None where it cannot be seen."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            text = file.read()
    except (OSError, ValueError):
        text = os.environ.get(_BOOT_ID_VARIABLE, "")
    found = _UUID.fullmatch(text.strip().lower())
    return "-".join(found.groups()) if found else None
