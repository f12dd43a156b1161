"""The login session that this process belongs to."""

import os

from agent.core.pattern import lazy_pattern
from agent.core.reboot.services import unit_of

_SCOPE = lazy_pattern(r"session-([A-Za-z0-9]{1,32})\.scope")


def own_session(cgroups: str = "/proc/self/cgroup") -> str:
    """Return logind's id of the session, as sd_pid_get_session(3) finds it; empty: none.

    By the cgroup, because sudo(8) drops XDG_SESSION_ID, and a terminal multiplexer keeps that of an ended session.
    """
    try:
        with open(cgroups, "rb") as file:
            unit = unit_of(file.read())
    except OSError:
        unit = None
    found = _SCOPE.fullmatch(unit or "")
    named = os.environ.get("XDG_SESSION_ID", "")
    return found[1] if found else named if _SCOPE.fullmatch(f"session-{named}.scope") else ""
