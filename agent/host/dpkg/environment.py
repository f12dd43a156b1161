"""Environment and dpkg options for running maintainer scripts non-interactively."""

from collections.abc import Mapping

NONINTERACTIVE_ENV: Mapping[str, str] = {
    # No prompts: debconf(7) and apt-listchanges(1).
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    # needrestart's apt hook restarts services, on Ubuntu without asking and once per transaction. Suspended: the agent
    # reports services once, at the end (needrestart(1), NEEDRESTART_SUSPEND; "l", list only, for versions without it).
    "NEEDRESTART_SUSPEND": "1",
    "NEEDRESTART_MODE": "l",
    "UCF_FORCE_CONFFOLD": "1",
}
"""Set, beside `agent.host.process.environment`, for every process that runs maintainer scripts."""

KEEP_LOCAL_CONFFILES = ("--force-confdef", "--force-confold")
"""dpkg options that the agent adds: keep local configuration files, never prompt."""
