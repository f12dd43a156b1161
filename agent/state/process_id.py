"""Identifies a process so that any other process, of any user, can check later whether it is still alive. Light.

A lock could show the same, but a user who may query an fcntl(2) lock may also take it, and so lock its owner out.
"""

import os
import time
from contextlib import suppress

from agent.core.clock import BOOT_TIME_TOLERANCE


def own_process_id() -> str:
    """Return `process_id` of this process."""
    return process_id(os.getpid())


def process_id(pid: int) -> str:
    """Return "PID START BOOT": pids are reused, so with start time (ticks) and boot time (seconds since 1970)."""
    return f"{pid} {_started_ticks(pid)} {_boot_time_s():.0f}"


def alive_pid(identifier: str) -> int | None:
    """Return the process's pid; None if it has ended or the text is malformed."""
    number, _, rest = identifier.strip().partition(" ")
    started, _, booted = rest.partition(" ")
    if not number.isdecimal() or not booted.isdecimal() or int(number) < 1:
        return None
    pid = int(number)
    found = _started_ticks(pid)
    if found is None:
        same_boot = abs(_boot_time_s() - int(booted)) < BOOT_TIME_TOLERANCE.total_seconds()
        return pid if _is_hidden(pid) and same_boot else None
    return pid if found == started else None


def _started_ticks(pid: int) -> str | None:
    """Return when a process started, in ticks since boot (proc(5)).

    Empty for a zombie; None if /proc shows no such process.
    """
    with suppress(OSError, IndexError), open(f"/proc/{pid}/stat", "rb") as file:
        state, *fields = file.read().rpartition(b")")[2].split()
        return "" if state == b"Z" else fields[18].decode()
    return None


def _boot_time_s() -> float:
    """Return the boot time in seconds since 1970, by the current wall clock: it moves when the clock is set."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _is_hidden(pid: int) -> bool:
    """Whether the process exists although /proc does not show it: with hidepid it shows only the caller's processes."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True
