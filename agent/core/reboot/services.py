"""Which services still run files that were replaced: what the kernel says of one process, in words that people know.

Pure: finds no process and reads no file. Scripts of Perl, Python and other interpreters are not seen, for no process
maps them; nor is a configuration that nobody has read again.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from agent.core.model.facts import Unseen

PACKAGE_DIRECTORIES = (b"/usr/", b"/opt/", b"/lib/", b"/lib32/", b"/lib64/", b"/libx32/", b"/bin/", b"/sbin/")
"""Where packages put what is run.

needrestart and checkrestart (debian-goodies) take every place but those known for what is deleted on purpose: /memfd:,
/SYSV, /[aio], /dev, /drm, /i915, /run, /tmp, /var/tmp, /home, /var/lib/postgresql, JIT compilers' and Java's own files
wherever they lie, files without a name (/#123). A list of the few places that count has no such tail.
"""
OTHER_DIRECTORIES = (b"/usr/local/",)
"""No package's, though below."""
_DELETED = b" (deleted)"
_MAPPED = re.compile(rb"[0-9a-f]+-[0-9a-f]+ ..x. [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ [0-9]+ +(/.*)", re.DOTALL)
"""An executable mapping of a file (proc_pid_maps(5)).

What is only mapped to be read, a locale or a cache, is data: needrestart leaves that out, too.
"""
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,250}\.(?:service|scope|socket|mount|swap)")
_OURS, _OUR_DAEMON = "maestro-agent", "maestro-agent.service"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceScan:
    """What runs at one moment, and in which boot; what is true of one boot is not of the next."""

    boot_id: str | None
    replaced: tuple[str, ...] | Unseen
    """Units that still run replaced files, sorted; programs where a process belongs to no unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process that still runs a replaced file."""

    program: str
    """What it calls itself (`/proc/PID/comm`): whatever it likes."""
    unit: str | None


def maps_deleted_files(maps: bytes, program: bytes, places: tuple[bytes, ...] = PACKAGE_DIRECTORIES) -> bool:
    """Whether a process maps code of a deleted file that was a package's, by its `maps` and what its `exe` points to.

    A program that has copied its code to huge pages maps its own file no more; `exe` still points there.
    """
    own = program.endswith(_DELETED) and _counts(program, places)
    return own or any(_counts(path, places) for path in _deleted(maps))


def unit_of(cgroups: bytes) -> str | None:
    """Return the system's unit that a process belongs to, by its `cgroup` (cgroups(7)); None where none names itself.

    As systemd itself does (cg_path_get_unit): slices only hold, and the first below them is the unit. A user's own
    services are part of user@UID.service, and whatever a unit divides itself into is still that unit.
    """
    paths = dict(_paths(cgroups))
    # Where both are there, either may be systemd's: its own hierarchy in the hybrid layout, the unified one in a
    # container on a machine of the old layout. The other says nothing.
    return _first_unit(paths.get("name=systemd", "")) or _first_unit(paths.get("", ""))


def unit_names(processes: Iterable[Process]) -> tuple[str, ...]:
    """Name what these processes belong to, each once."""
    return tuple(sorted({one.unit or _printable(one.program) for one in processes if not _waits_for_us(one)}))


def _counts(path: bytes, places: tuple[bytes, ...]) -> bool:
    return path.startswith(places) and not path.startswith(OTHER_DIRECTORIES)


def _deleted(maps: bytes) -> Iterable[bytes]:
    """Return the deleted files whose code is mapped; line by line only where there is one, for most have none."""
    end = maps.find(_DELETED + b"\n")
    while end >= 0:
        found = _MAPPED.fullmatch(maps, maps.rfind(b"\n", 0, end) + 1, end)
        if found:
            yield found[1]
        end = maps.find(_DELETED + b"\n", end + 1)


def _paths(cgroups: bytes) -> Iterable[tuple[str, str]]:
    for line in cgroups.decode("utf-8", "replace").split("\n"):
        number, _, rest = line.partition(":")
        controllers, found, path = rest.partition(":")
        if found and number.isdecimal():
            yield controllers, path


def _first_unit(path: str) -> str | None:
    for part in path.split("/"):
        name = part.removeprefix("_")  # systemd's escape of names that the kernel has for itself (cg_escape)
        if name and not name.endswith(".slice"):
            return name if _UNIT.fullmatch(name) else None
    return None


def _waits_for_us(process: Process) -> bool:
    """Whether this is the command that asked for the present job, which ends when the job does."""
    return process.program == _OURS and process.unit != _OUR_DAEMON


def _printable(program: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in program) or "?"
