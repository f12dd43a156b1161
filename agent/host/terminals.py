"""Sends a message to the terminals of the users who are logged in.

wall(1) finds them in utmp(5), which Debian 13 has no more, or by the terminal that logind knows of a session, which is
none for ssh: sshd opens the session before the terminal. The processes of the sessions know theirs.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from agent.core.reboot.services import unit_of

_PTS_MAJOR, _PTS_MAJORS = 136, 8
"""Device numbers of pseudoterminals (Documentation/admin-guide/devices.txt)."""


def write_to_terminals(message: str) -> int:
    """Write a message to each terminal of a login session; return how many got it. Never waits, and never raises.

    Control characters, which a terminal would act on, become question marks.
    """
    message = "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in message)
    data = f"\n\a{message}\n\n".replace("\n", "\r\n").encode(errors="replace")
    return sum(_write(path, data) for path in session_terminals())


def session_terminals(proc: str = "/proc") -> tuple[str, ...]:
    """Return the terminals that processes of login sessions have, sorted."""
    found: set[str] = set()
    with suppress(OSError):
        for pid in filter(str.isdecimal, os.listdir(proc)):
            with suppress(OSError, ValueError, IndexError):
                found.update(_terminal(f"{proc}/{pid}"))
    return tuple(sorted(found))


def _terminal(process: str) -> Iterator[str]:
    """Yield the controlling terminal of a process if it is one of a login session."""
    with open(f"{process}/stat", "rb") as file:
        number = int(file.read().rpartition(b")")[2].split()[4])  # tty_nr, proc_pid_stat(5)
    if number == 0:
        return
    with open(f"{process}/cgroup", "rb") as file:
        unit = unit_of(file.read()) or ""
    if unit.startswith("session-") and unit.endswith(".scope"):
        yield _path(os.major(number), os.minor(number))


def _path(major: int, minor: int) -> str:
    """Return the path of a terminal. Raises OSError if there is no such device."""
    if _PTS_MAJOR <= major < _PTS_MAJOR + _PTS_MAJORS:
        return f"/dev/pts/{(major - _PTS_MAJOR) * 256 + minor}"
    return f"/dev/{os.path.basename(os.readlink(f'/sys/dev/char/{major}:{minor}'))}"


def _write(path: str, data: bytes) -> bool:
    with suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            return stat.S_ISCHR(os.fstat(descriptor).st_mode) and os.write(descriptor, data) > 0
        finally:
            os.close(descriptor)
    return False
