"""What apt's own history (/var/log/apt/history.log) shows of the agent's transactions."""

import os
import pwd
from contextlib import suppress
from dataclasses import dataclass

import apt_pkg


@dataclass(frozen=True, slots=True, kw_only=True)
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
