"""Finds the services that still run replaced files, from what /proc shows of each process. Pure.

Not detected: scripts of Perl, Python and other interpreters, because no process maps them; changed configuration that
a service has not reloaded.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from agent.core.model.facts import Unseen

PACKAGE_DIRECTORIES = (b"/usr/", b"/opt/", b"/lib/", b"/lib32/", b"/lib64/", b"/libx32/", b"/bin/", b"/sbin/")
"""Directories of packaged executables and libraries.

needrestart and checkrestart (debian-goodies) take all directories except those known for intentionally deleted files:
/memfd:, /SYSV, /[aio], /dev, /drm, /i915, /run, /tmp, /var/tmp, /home, /var/lib/postgresql, files of JIT compilers and
of Java anywhere, unnamed files (/#123). A short list of directories that count needs no such exceptions.
"""
OTHER_DIRECTORIES = (b"/usr/local/",)
"""Subdirectories of those that belong to no package."""
_DELETED = b" (deleted)"
_MAPPED = re.compile(rb"[0-9a-f]+-[0-9a-f]+ ..x. [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ [0-9]+ +(/.*)", re.DOTALL)
"""An executable mapping of a file (proc_pid_maps(5)).

Read-only mappings, such as locales or caches, are data; needrestart ignores them, too.
"""
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,250}\.(?:service|scope|socket|mount|swap)")
_OURS, _OUR_DAEMON = "maestro-agent", "maestro-agent.service"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceScan:
    """Units that ran replaced files at one moment; valid only for that boot."""

    boot_id: str | None
    replaced: tuple[str, ...] | Unseen
    """Units that still run replaced files, sorted; the program of a process that belongs to no unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process that still runs a replaced file."""

    program: str
    """`/proc/PID/comm`: set by the process itself, so untrusted."""
    unit: str | None


def maps_deleted_files(maps: bytes, program: bytes, places: tuple[bytes, ...] = PACKAGE_DIRECTORIES) -> bool:
    """Whether a process maps code of a deleted file below `places`, from its `maps` and the target of its `exe`.

    A program that moved its code to huge pages no longer maps its own file; `exe` still points to it.
    """
    own = program.endswith(_DELETED) and _counts(program, places)
    return own or any(_counts(path, places) for path in _deleted(maps))


def unit_of(cgroups: bytes) -> str | None:
    """Return the system unit of a process, from its `cgroup` file (cgroups(7)); None if it belongs to none.

    As systemd does (cg_path_get_unit): the first path component that is not a slice is the unit. A user's services
    are part of user@UID.service, and sub-cgroups of a unit belong to that unit.
    """
    paths = dict(_paths(cgroups))
    # If both exist, either may be systemd's: its named hierarchy in the hybrid layout, the unified one in a container
    # on a host with the legacy layout. The other one names no unit.
    return _first_unit(paths.get("name=systemd", "")) or _first_unit(paths.get("", ""))


def unit_names(processes: Iterable[Process]) -> tuple[str, ...]:
    """Return the units or programs of these processes, sorted, without duplicates; none of the agent's own."""
    return tuple(sorted({one.unit or _printable(one.program) for one in processes if not _is_ours(one)}))


def _counts(path: bytes, places: tuple[bytes, ...]) -> bool:
    return path.startswith(places) and not path.startswith(OTHER_DIRECTORIES)


def _deleted(maps: bytes) -> Iterable[bytes]:
    """Yield deleted files whose code is mapped. Lines are parsed only if one is deleted: most processes map none."""
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
        name = part.removeprefix("_")  # systemd escapes names that the kernel reserves (cg_escape)
        if name and not name.endswith(".slice"):
            return name if _UNIT.fullmatch(name) else None
    return None


def _is_ours(process: Process) -> bool:
    """True for the command that requested this job, which exits with it, and for the daemon, which restarts itself."""
    return process.program == _OURS or process.unit == _OUR_DAEMON


def _printable(program: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in program) or "?"
