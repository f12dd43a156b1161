"""Host facts for reports: host ID, boot, operating system."""

import os
from datetime import datetime

from agent.core.model.host import HostFacts
from agent.errors import HostError
from agent.host.boot_time import booted_at
from agent.host.machine.boot_id import boot_id
from agent.host.machine.identity import host_id
from agent.host.machine.os_release import read_distro


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
