"""When this machine booted, by the wall clock as it is set now.

Uptime (CLOCK_BOOTTIME) is the kernel's, so in a container that of its host: there the start of PID 1 counts, or, where
/proc hides other users' processes (hidepid), the file that systemd writes as it starts.
"""

import os
import time
from contextlib import suppress
from datetime import datetime, timezone

from agent.host.container import in_container

_MARK = "run/systemd/container"


def booted_at(root: str = "/") -> datetime:
    """Return the boot time; it moves when the clock is set."""
    kernel_s = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    if not in_container(root):
        return _moment(kernel_s)
    with suppress(OSError, ValueError, IndexError), open(os.path.join(root, "proc/1/stat"), "rb") as file:
        ticks = int(file.read().rpartition(b")")[2].split()[19])  # proc_pid_stat(5), starttime
        return _moment(kernel_s + ticks / os.sysconf("SC_CLK_TCK"))
    with suppress(OSError):
        return _moment(os.stat(os.path.join(root, _MARK)).st_mtime)
    return _moment(kernel_s)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
