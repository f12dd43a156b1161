"""What a report says of the machine itself: who it is, which boot this is, which system it runs."""

import hashlib
import hmac
import os
import re
import time
import uuid
from datetime import datetime, timezone

from agent.core.model.host import HostFacts
from agent.errors import HostError
from agent.host.machine.boot_id import boot_id
from agent.host.machine.identity import machine_id
from agent.host.machine.os_release import read_distro

_APPLICATION = uuid.UUID("6d6ce7c5-5a0e-4c3c-9a53-1b1f3a0c7d0e")
"""Makes the host's name one that this program alone knows the machine by (sd_id128_get_machine_app_specific(3))."""
_MACHINE_ID = re.compile("[0-9a-f]{32}")


def host_id() -> str:
    """Return the name that the centre knows this machine by; machine-id cannot be found from it."""
    return app_specific(machine_id(), _APPLICATION)


def app_specific(machine: str, application: uuid.UUID) -> str:
    """Return what `systemd-id128 machine-id --app-specific=` prints, as a UUID.

    A container without machine-id goes by its host's name, and that is taken as it is.
    """
    key = bytes.fromhex(machine) if _MACHINE_ID.fullmatch(machine) else machine.encode()
    digest = hmac.new(key, application.bytes, hashlib.sha256).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def booted_at() -> datetime:
    """Return when the machine booted, by its clock as it is set now."""
    return datetime.fromtimestamp(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME), timezone.utc)


def host_facts(known_boot: datetime | None = None) -> HostFacts:
    """Look at the machine; the moment of its boot is the one that is known already, where one is."""
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
