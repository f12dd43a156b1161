"""What everything that runs maintainer scripts has in its environment: nobody is there to answer."""

from collections.abc import Mapping

NONINTERACTIVE_ENV: Mapping[str, str] = {
    # Nobody is there to answer: debconf(7) and apt-listchanges(1).
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    # needrestart's hook in apt restarts services, on Ubuntu unasked and once for each transaction: its work is
    # left to one report at the end (needrestart(1), NEEDRESTART_SUSPEND; "l", list only, for versions without it).
    "NEEDRESTART_SUSPEND": "1",
    "NEEDRESTART_MODE": "l",
    "UCF_FORCE_CONFFOLD": "1",
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}
"""Environment for everything that runs maintainer scripts."""


KEEP_LOCAL_CONFFILES = ("--force-confdef", "--force-confold")
"""What this agent adds to dpkg's options: local configuration files are kept, nobody is ever asked."""
