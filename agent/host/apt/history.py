"""What apt's own history (/var/log/apt/history.log) shows of the agent's transactions."""

import os
import pwd
from contextlib import suppress

import apt_pkg

from agent.core.frozen import frozen

_MAX_HISTORY_BYTES = 2_000_000


@frozen
class RunOrigin:
    """Which run made a transaction, and who requested it."""

    command: str = "maestro-agent"
    """Shown as `Commandline`."""
    requested_by: str = ""
    """A user's name, shown as `Requested-By`; names that are no user's, such as the schedule, are not shown."""

    def record(self) -> None:
        """Have libapt, in this process, write it (pkgDPkgPM::OpenLog)."""
        apt_pkg.config.set("CommandLine::AsString", self.command)
        with suppress(KeyError):
            # Of the variables that libapt reads, the one that no maintainer script takes for sudo's.
            os.environ["PACKAGEKIT_CALLER_UID"] = str(pwd.getpwnam(self.requested_by).pw_uid)


def read_history() -> str:
    """Return the end of apt's history; empty if there is none, or it was rotated away."""
    try:
        with open(apt_pkg.config.find_file("Dir::Log::History"), "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - _MAX_HISTORY_BYTES, 0))
            return file.read(_MAX_HISTORY_BYTES).decode(errors="replace")
    except OSError:
        return ""
