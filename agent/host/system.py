"""Plain facts about the machine that are files: os-release, the reboot flag, free space, the clock."""

import os
import shlex
from datetime import datetime, timezone
from pathlib import Path

from agent.core.model.facts import Reboot, Unseen
from agent.core.policy.distro import Distro
from agent.core.reboot.services import Watched
from agent.errors import HostError
from agent.host.bootid import boot_id
from agent.host.processes import replaced_files
from agent.host.rebootflag import read_flag

_OS_RELEASE = (Path("/etc/os-release"), Path("/usr/lib/os-release"))


def read_distro() -> Distro:
    """Read os-release(5).

    Raises:
        HostError: neither place holds a readable file.
    """
    for path in _OS_RELEASE:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        fields = dict(_field(line) for line in text.splitlines() if "=" in line and not line.startswith("#"))
        return Distro(
            id=fields.get("ID", ""), codename=fields.get("VERSION_CODENAME", ""), version=fields.get("VERSION_ID", "")
        )
    raise HostError("/etc/os-release cannot be read, so the distribution is not known")


def read_reboot() -> Reboot | Unseen:
    """Read the reboot flag and the packages that raised it."""
    try:
        flag = read_flag()
    except OSError as error:
        return Unseen(reason=f"{error.filename}: {error.strerror}")
    if flag is None:
        return Reboot(required=False)
    packages, since = flag
    return Reboot(required=True, packages=packages, since=datetime.fromtimestamp(since, timezone.utc))


def free_bytes(directory: str) -> int:
    """Return what root may still write to the file system of a directory, or of its nearest existing parent."""
    path = Path(directory)
    while not path.exists():
        path = path.parent
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def is_root() -> bool:
    """Whether this process may change the machine."""
    return os.geteuid() == 0


class LocalMachine:
    """This machine, behind the port that a look knows (`agent.core.ports.Machine`)."""

    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(timezone.utc)

    def reboot(self) -> Reboot | Unseen:
        """Return whether a reboot is required."""
        return read_reboot()

    def watched(self) -> Watched:
        """Look at the processes."""
        return Watched(boot_id=boot_id(), replaced=replaced_files())


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    try:
        words = shlex.split(value)
    except ValueError:
        words = [value]
    return name.strip(), words[0] if words else ""
