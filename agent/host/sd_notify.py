"""Service notifications to systemd (sd_notify(3)); no-ops without NOTIFY_SOCKET."""

import os
import socket
from contextlib import suppress


def notify(*assignments: str) -> None:
    """Send assignments such as "READY=1" or "STATUS=waiting"; line breaks become spaces."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
        connection.sendto("\n".join(" ".join(one.splitlines()) for one in assignments).encode(), address)


def watchdog_s() -> float | None:
    """Return systemd's watchdog timeout for this process (sd_watchdog_enabled(3)); None if there is none."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 1e6
