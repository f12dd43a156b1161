"""Finds the services that still run replaced files, from what /proc shows of each process. Pure.

Not detected: scripts of Perl, Python and other interpreters, because no process maps them; changed configuration that
a service has not reloaded.
"""

import re
from collections.abc import Iterable

from agent.core.frozen import field, frozen
from agent.core.model.facts import Unseen
from agent.core.pattern import lazy_pattern
from agent.core.restart.model import FailedRestart, RestartUnit

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
_UNIT = lazy_pattern(r"[A-Za-z0-9:_.\\@-]{1,250}\.(?:service|scope|socket|mount|swap)")
_USER_SLICE = lazy_pattern(r"user-([0-9]{1,10})\.slice")
_USER_MANAGER = lazy_pattern(r"user@([0-9]{1,10})\.service")
_OURS, _OUR_DAEMON = "maestro-agent", "maestro-agent.service"


@frozen
class ReplacedFile:
    """A replaced or deleted file that still runs, under the name that it had."""

    path: str
    units: tuple[str, ...]
    """As in `ServiceScan.replaced`."""


@frozen
class ServiceScan:
    """Units that ran replaced files at one moment; valid only for that boot, and until the next soft-reboot."""

    boot_id: str | None
    replaced: tuple[str, ...] | Unseen
    """Units that still run replaced files, sorted; the program of a process that belongs to no unit."""
    files: tuple[ReplacedFile, ...] = ()
    """Those files, sorted by path."""
    users: tuple[tuple[str, str], ...] = ()
    """The login sessions and user managers in `replaced`, each with the name of its user."""
    soft_reboots: int | None = None
    """systemd's SoftRebootsCount of that boot; None if unknown, as where systemd does not run or has no soft-reboot."""
    restarts: tuple[RestartUnit, ...] = ()
    """What `restart-services` would do with each of `replaced`; units are missing of which systemd did not answer."""
    failed_restarts: tuple[FailedRestart, ...] = ()
    """Services whose restart by `restart-services` failed, and that are not active again; sorted."""


@frozen
class Process:
    """One process that still runs a replaced file."""

    program: str
    """`/proc/PID/comm`: set by the process itself, so untrusted."""
    unit: str | None
    files: frozenset[str] = field(default_factory=frozenset)
    """The replaced files."""
    uid: int | None = None
    """The user of the session or the user manager to which the process belongs; None for all others."""


def deleted_files(maps: bytes, program: bytes, places: tuple[bytes, ...] = PACKAGE_DIRECTORIES) -> frozenset[bytes]:
    """Return the deleted files below `places` whose code a process maps, from its `maps` and the target of its `exe`.

    A program that moved its code to huge pages no longer maps its own file; `exe` still points to it.
    """
    own = [program.removesuffix(_DELETED)] if program.endswith(_DELETED) else []
    return frozenset(path for path in (*own, *_deleted(maps)) if _counts(path, places))


def maps_deleted_files(maps: bytes, program: bytes, places: tuple[bytes, ...] = PACKAGE_DIRECTORIES) -> bool:
    """Whether a process maps code of a deleted file, as `deleted_files` finds them."""
    return bool(deleted_files(maps, program, places))


def unit_of(cgroups: bytes) -> str | None:
    """Return the system unit of a process, from its `cgroup` file (cgroups(7)); None if it belongs to none.

    As systemd does (cg_path_get_unit): the first path component that is not a slice is the unit. A user's services
    are part of user@UID.service, and sub-cgroups of a unit belong to that unit.
    """
    paths = dict(_paths(cgroups))
    # If both exist, either may be systemd's: its named hierarchy in the hybrid layout, the unified one in a container
    # on a host with the legacy layout. The other one names no unit.
    return _first_unit(paths.get("name=systemd", "")) or _first_unit(paths.get("", ""))


def session_user(cgroups: bytes) -> int | None:
    """Return the user of a process's login session or user manager, from its `cgroup` file; None for other units.

    The slices of systemd-logind(8) name the user: /user.slice/user-1000.slice/session-3.scope.
    """
    paths = dict(_paths(cgroups))
    path = next((paths[name] for name in ("name=systemd", "") if _first_unit(paths.get(name, ""))), "")
    unit = _first_unit(path) or ""
    found = _USER_MANAGER.fullmatch(unit)
    if found is None and unit.startswith("session-"):
        found = next(filter(None, map(_USER_SLICE.fullmatch, path.split("/"))), None)
    return int(found[1]) if found else None


def unit_names(processes: Iterable[Process]) -> tuple[str, ...]:
    """Return the units or programs of these processes, sorted, without duplicates; none of the agent's own."""
    return tuple(sorted({_name(one) for one in processes if not _is_ours(one)}))


def replaced_files(processes: Iterable[Process]) -> tuple[ReplacedFile, ...]:
    """Return the files that these processes run, each with its units; not those of the agent's own processes."""
    found: dict[str, set[str]] = {}
    for one in processes:
        for path in () if _is_ours(one) else one.files:
            found.setdefault(path, set()).add(_name(one))
    return tuple(ReplacedFile(path=path, units=tuple(sorted(units))) for path, units in sorted(found.items()))


def session_uids(processes: Iterable[Process]) -> dict[str, int]:
    """Return the users of those units that are login sessions or user managers."""
    found = {_name(one): one.uid for one in processes if one.uid is not None and not _is_ours(one)}
    return dict(sorted(found.items()))


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


def _name(process: Process) -> str:
    return process.unit or _printable(process.program)


def _is_ours(process: Process) -> bool:
    """True for the command that requested this job, which exits with it, and for the daemon, which restarts itself."""
    return process.program == _OURS or process.unit == _OUR_DAEMON


def _printable(program: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in program) or "?"
