"""Host facts for reports: host ID, boot, operating system."""

import hashlib
import hmac
import os
from datetime import datetime

from agent.core.model.host import HostFacts
from agent.core.pattern import lazy_pattern
from agent.core.uuids import version_4
from agent.errors import HostError
from agent.host.boot_time import booted_at
from agent.host.machine.boot_id import boot_id
from agent.host.machine.identity import machine_id
from agent.host.machine.os_release import read_distro

_APPLICATION = bytes.fromhex("6d6ce7c55a0e4c3c9a531b1f3a0c7d0e")
"""Application ID for the host ID (sd_id128_get_machine_app_specific(3))."""
_MACHINE_ID = lazy_pattern("[0-9a-f]{32}")


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
