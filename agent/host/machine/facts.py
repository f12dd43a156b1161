"""Host facts for reports: host ID, boot, operating system."""

import hashlib
import hmac
import os
import uuid
from datetime import datetime

from agent.core.model.host import HostFacts
from agent.core.pattern import lazy_pattern
from agent.errors import HostError
from agent.host.boot_time import booted_at
from agent.host.machine.boot_id import boot_id
from agent.host.machine.identity import machine_id
from agent.host.machine.os_release import read_distro

_APPLICATION = uuid.UUID("6d6ce7c5-5a0e-4c3c-9a53-1b1f3a0c7d0e")
"""Application ID for the host ID (sd_id128_get_machine_app_specific(3))."""
_MACHINE_ID = lazy_pattern("[0-9a-f]{32}")


def host_id() -> str:
    """Return the host ID that reports carry. machine-id cannot be derived from it."""
    return app_specific(machine_id(), _APPLICATION)


def app_specific(machine: str, application: uuid.UUID) -> str:
    """Return the output of `systemd-id128 machine-id --app-specific=`, as a UUID.

    If `machine` is not a machine-id (a container without one passes its host name), it is hashed as text.
    """
    key = bytes.fromhex(machine) if _MACHINE_ID.fullmatch(machine) else machine.encode()
    digest = hmac.new(key, application.bytes, hashlib.sha256).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def host_facts(known_boot: datetime | None = None) -> HostFacts:
    """Return the host facts; `known_boot` replaces the computed boot time, which moves with the clock."""
    names = os.uname()
    try:
        distro = read_distro()
        system = (distro.id or None, distro.version or None, distro.codename or None)
    except HostError:
        system = (None, None, None)
    return HostFacts(
        id=host_id(),
        boot_id=boot_id(),
        booted_at=known_boot or booted_at(),
        name=names.nodename or None,
        os_id=system[0],
        os_version=system[1],
        os_codename=system[2],
        architecture=names.machine or None,
        kernel=names.release or None,
    )
