"""Plain facts about the machine that are files: os-release, the reboot flag, free space, the clock."""

import shlex
from datetime import datetime, timezone
from pathlib import Path

from agent.core.model.facts import Reboot, Unseen
from agent.core.reboot.services import ServiceScan
from agent.host.machine.boot_id import boot_id
from agent.host.reboot.flag_facts import read_reboot
from agent.host.reboot.processes import scan_replaced_files

_OS_RELEASE = (Path("/etc/os-release"), Path("/usr/lib/os-release"))


class LocalMachine:
    """This machine, behind the port that a look knows (`agent.core.ports.Machine`)."""

    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(timezone.utc)

    def reboot(self) -> Reboot | Unseen:
        """Return whether a reboot is required."""
        return read_reboot()

    def scan_services(self) -> ServiceScan:
        """Look at the processes."""
        return ServiceScan(boot_id=boot_id(), replaced=scan_replaced_files())


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    try:
        words = shlex.split(value)
    except ValueError:
        words = [value]
    return name.strip(), words[0] if words else ""
