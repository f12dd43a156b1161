"""The user of this process, and the daemon's."""

import grp
import os

DAEMON_USER = "maestro-agent"


def is_root() -> bool:
    """Whether this process runs as root."""
    return os.geteuid() == 0


def daemon_group() -> int:
    """Return the id of the daemon's group; root's where there is none."""
    try:
        return grp.getgrnam(DAEMON_USER).gr_gid
    except KeyError:
        return 0
