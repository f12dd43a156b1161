"""Tells systemd how the daemon is doing (sd_notify(3)); where nobody listens, nothing happens."""

import os
import socket
from contextlib import suppress

from agent.state.daemon_status import _SYSTEMD


def notify(*assignments: str) -> None:
    """Send assignments such as "READY=1" or "STATUS=waiting"; a line's end in one of them becomes a space."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
        connection.sendto("\n".join(" ".join(one.splitlines()) for one in assignments).encode(), address)


def watchdog_s() -> float | None:
    """Return within which time systemd wants to hear of this very process (sd_watchdog_enabled(3)); None if never."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 1e6


def systemd_runs() -> bool:
    """Return whether systemd is this machine's init (sd_booted(3))."""
    return os.path.isdir(_SYSTEMD)
