"""Whether a container's first process handles its stop signal: by the signal sets of /proc/PID/status, proc(5)."""

import os
import signal

_DEFAULT = "SIGTERM"
_LAST = 64
_INITS = frozenset({"docker-init", "tini"})
"""Forward each signal to their one child (`docker run --init`)."""


def signal_number(text: str) -> int | None:
    """Return the number of a stop signal as images and containers have it: "SIGTERM", "TERM", "15", "RTMIN+3"."""
    name = (text or _DEFAULT).upper().removeprefix("SIG")
    base, plus, offset = name.partition("+")
    if base.isdecimal() and base.isascii() and not plus:
        number = int(base[:3])
    elif base == "RTMIN" and (not plus or (offset.isascii() and offset.isdecimal())):
        number = int(signal.SIGRTMIN) + int(offset[:3] or 0)
    else:
        number = int(getattr(signal, f"SIG{name}", 0)) if name.isalnum() else 0
    return number if 0 < number <= _LAST else None


def handles_signal(pid: int, number: int) -> bool | None:
    """Return whether a signal from outside ends or reaches a process; None if that is unknown.

    The kernel drops signals without a handler for the first process of a PID namespace. A blocked signal may be taken
    by sigwait(3) or signalfd(2), or never: unknown.
    """
    if number == signal.SIGKILL:
        return True
    status = _status(pid)
    if status.get("Name", "") in _INITS:
        child = _only_child(pid)
        return None if child is None else handles_signal(child, number)
    try:
        caught, ignored, blocked = (int(status[key], 16) >> (number - 1) & 1 for key in ("SigCgt", "SigIgn", "SigBlk"))
    except (KeyError, ValueError):
        return None
    if caught:
        return True
    if blocked:
        return None
    first = status.get("NSpid", "").split()[-1:] == ["1"]
    return not (ignored or first)


def _status(pid: int) -> dict[str, str]:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            return {name: value.strip() for name, _, value in (line.partition(":") for line in file)}
    except OSError:
        return {}


def _only_child(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = file.read().split()
    except OSError:
        return None
    return int(children[0]) if children and os.path.exists(f"/proc/{children[0]}") else None
