"""The machine behind the port `agent.core.ports.Machine`."""

import pwd
from collections.abc import Collection, Mapping
from datetime import datetime

from agent.core.exposure import InstalledFiles
from agent.core.model.facts import Reboot, Unseen
from agent.core.model.package import PackageId
from agent.core.model.release import Release
from agent.core.reboot.services import ServiceScan, replaced_files, session_uids, unit_names
from agent.host.dpkg.package_files import find_installed_files
from agent.host.machine.boot_id import boot_id
from agent.host.machine.distro_info import read_release
from agent.host.reboot.facts import read_reboot
from agent.host.reboot.processes import scan_processes
from agent.host.soft_reboots import soft_reboots
from agent.state.timestamps import utc_now


class LocalMachine:
    """This machine."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return utc_now()

    def reboot(self) -> Reboot | Unseen:
        """Return whether a reboot is required."""
        return read_reboot()

    def release(self) -> Release | None:
        """Return the release of the distribution; None if it is unknown."""
        return read_release()

    def scan_services(self) -> ServiceScan:
        """Scan all processes for replaced files."""
        boot, soft = boot_id(), soft_reboots()
        found = scan_processes()
        if isinstance(found, Unseen):
            return ServiceScan(boot_id=boot, replaced=found, soft_reboots=soft)
        return ServiceScan(
            boot_id=boot,
            soft_reboots=soft,
            replaced=unit_names(found),
            files=replaced_files(found),
            users=tuple((unit, _user_name(uid)) for unit, uid in session_uids(found).items()),
        )

    def installed_files(
        self, packages: Collection[PackageId], paths: Collection[str]
    ) -> Mapping[PackageId, InstalledFiles]:
        """Return what dpkg's database has of some packages, with those of the paths that each owns."""
        return find_installed_files(packages, paths)


def _user_name(uid: int) -> str:
    """Return a user's name; the number of one that is not known, or no longer."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)
