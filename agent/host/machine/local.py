"""The machine behind the port `agent.core.ports.Machine`."""

from datetime import datetime

from agent.core.model.facts import Reboot, Unseen
from agent.core.reboot.services import ServiceScan
from agent.host.machine.boot_id import boot_id
from agent.host.reboot.facts import read_reboot
from agent.host.reboot.processes import scan_replaced_files
from agent.state.timestamps import utc_now


class LocalMachine:
    """This machine."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return utc_now()

    def reboot(self) -> Reboot | Unseen:
        """Return whether a reboot is required."""
        return read_reboot()

    def scan_services(self) -> ServiceScan:
        """Scan all processes for replaced files."""
        return ServiceScan(boot_id=boot_id(), replaced=scan_replaced_files())
