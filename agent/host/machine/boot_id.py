"""The boot ID. Light: imported by `status`."""

import os

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_BOOT_ID_VARIABLE = "MAESTRO_BOOT_ID"
"""Set by the unit, whose sandbox hides /proc except for processes (ProcSubset=pid)."""
_DIGITS = "0123456789abcdef"
_LENGTH = 32


def boot_id() -> str | None:
    """Return the kernel's boot ID as a UUID; None if it is not readable."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            text = file.read()
    except (OSError, ValueError):
        text = os.environ.get(_BOOT_ID_VARIABLE, "")
    digits = text.strip().lower().replace("-", "")
    if len(digits) != _LENGTH or digits.strip(_DIGITS):
        return None
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
