"""Marks a process, so that any other, of any user, can tell later whether that very one still lives. Light.

A lock would say the same, but whoever may ask about a lock of fcntl(2) may also take it, and so keep its owner out.
"""

import os
import time
from contextlib import suppress

_CLOCK_SLACK_S = 120
"""How far the clock may have been set since, where nothing but the number says that a process is the same."""


def own_process_id() -> str:
    """Return this process's mark: its number, when it began, for numbers are used again, and when the machine did."""
    return f"{os.getpid()} {_started_ticks(os.getpid())} {_boot_time_s():.0f}"


def alive_pid(mark: str) -> int | None:
    """Return the number of the marked process; None where it has ended, or the text is no mark."""
    number, _, rest = mark.strip().partition(" ")
    began, _, booted = rest.partition(" ")
    if not number.isdecimal() or not booted.isdecimal() or int(number) < 1:
        return None
    pid = int(number)
    found = _started_ticks(pid)
    if found is None:
        return pid if _is_hidden(pid) and abs(_boot_time_s() - int(booted)) < _CLOCK_SLACK_S else None
    return pid if found == began else None


def _started_ticks(pid: int) -> str | None:
    """Return when a process began, in ticks since the machine booted (proc(5)).

    It is empty for one that is dead and still listed, and None where none can be seen.
    """
    with suppress(OSError, IndexError), open(f"/proc/{pid}/stat", "rb") as file:
        state, *fields = file.read().rpartition(b")")[2].split()
        return "" if state == b"Z" else fields[18].decode()
    return None


def _boot_time_s() -> float:
    """Return when the machine booted by its clock, in seconds since 1970; where that was set since, another moment."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _is_hidden(pid: int) -> bool:
    """Whether there is such a process after all: /proc may be mounted so as to show one's own alone (hidepid)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True
