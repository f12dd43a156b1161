"""What everything that runs maintainer scripts has in its environment: nobody is there to answer."""

from collections.abc import Mapping

QUIET: Mapping[str, str] = {
    # Nobody is there to answer: debconf(7), apt-listchanges(1), and needrestart's hook in apt, which would
    # otherwise restart services unasked on Ubuntu ("l": list only).
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_MODE": "l",
    "UCF_FORCE_CONFFOLD": "1",
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}
"""Environment for everything that runs maintainer scripts."""
