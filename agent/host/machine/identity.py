"""Machine ID, and the host ID derived from it. Light: imported by `status` where it is needed."""

import hashlib
import hmac
import os

from agent.core.pattern import lazy_pattern
from agent.core.uuids import version_4

_FILE = "/etc/machine-id"
_APPLICATION = bytes.fromhex("6d6ce7c55a0e4c3c9a531b1f3a0c7d0e")
"""Application ID for the host ID (sd_id128_get_machine_app_specific(3))."""
_MACHINE_ID = lazy_pattern("[0-9a-f]{32}")


def machine_id() -> str:
    """Return machine-id(5), or the host name if there is none (container images). Confidential: never print it."""
    try:
        with open(_FILE, encoding="ascii", errors="replace") as file:
            found = file.read().strip()
    except OSError:
        found = ""
    return found or os.uname().nodename


def host_id() -> str:
    """Return the host ID that reports carry. machine-id cannot be derived from it."""
    return app_specific(machine_id(), _APPLICATION)


def app_specific(machine: str, application: bytes) -> str:
    """Return the output of `systemd-id128 machine-id --app-specific=`, as a UUID.

    If `machine` is not a machine-id (a container without one passes its host name), it is hashed as text.
    """
    key = bytes.fromhex(machine) if _MACHINE_ID.fullmatch(machine) else machine.encode()
    digest = hmac.new(key, application, hashlib.sha256).digest()
    return version_4(digest[:16])
