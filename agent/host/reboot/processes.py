"""Finds processes that still run replaced or deleted files (proc(5)).

Reads /proc directly: psutil's `memory_maps` takes twenty times as long per process.
"""

import errno
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from agent.core.model.facts import Unseen
from agent.core.reboot.services import (
    PACKAGE_DIRECTORIES,
    Process,
    deleted_files,
    maps_deleted_files,
    session_user,
    unit_names,
    unit_of,
)

_TIMEOUT_S = 30.0
"""A hundred times the time for a thousand processes."""
_CHUNK = 1 << 18
_MAX_FILE_BYTES = 1 << 26
"""The maps of half a million mappings; the rest of a larger file is ignored."""


def scan_replaced_files(
    proc: str = "/proc", directories: tuple[bytes, ...] = PACKAGE_DIRECTORIES, timeout_s: float = _TIMEOUT_S
) -> tuple[str, ...] | Unseen:
    """Return the units that run replaced files, sorted; processes outside of units by program name."""
    found = scan_processes(proc, directories, timeout_s)
    return found if isinstance(found, Unseen) else unit_names(found)


def scan_processes(
    proc: str = "/proc", directories: tuple[bytes, ...] = PACKAGE_DIRECTORIES, timeout_s: float = _TIMEOUT_S
) -> tuple[Process, ...] | Unseen:
    """Return the processes that run replaced files.

    Processes that exit during the scan are skipped. Reading a process's maps blocks while its mappings change, which
    may in turn be blocked by a dead file server: hence the separate thread, which is abandoned at the timeout.
    """
    scan = _ProcessScan(proc, directories, time.monotonic() + timeout_s)
    thread = threading.Thread(target=scan.run, daemon=True)
    thread.start()
    thread.join(timeout_s + 1)
    return scan.found


def runs_replaced_files(process: str = "/proc/self") -> bool:
    """Return whether this process itself runs replaced files; False if that cannot be read."""
    try:
        return maps_deleted_files(_read(f"{process}/maps"), _program(f"{process}/exe"))
    except OSError:
        return False


class _ProcessScan:
    """One scan of all processes."""

    def __init__(self, proc: str, directories: tuple[bytes, ...], deadline: float) -> None:
        self._proc = proc
        self._directories = directories
        self._deadline = deadline
        self._host_namespaces: set[str] = set()
        """Mount namespaces with a process whose root is this machine's; filled when first needed."""
        self.found: tuple[Process, ...] | Unseen = Unseen(reason="the scan of all processes timed out")

    def run(self) -> None:
        """Scan, and set `found`."""
        try:
            own_root = os.stat("/")
            pids = [name for name in os.listdir(self._proc) if name.isdecimal()]
            # Not the agent itself: it may run files that it just replaced, and is about to exit.
            stale = {pid: files for pid in pids if int(pid) != os.getpid() and (files := self._stale_files(pid))}
            ours = [pid for pid in stale if self._runs_host_files(pid, pids, own_root)]
            self.found = tuple(process for pid in ours for process in self._describe(pid, stale[pid]))
        except TimeoutError:
            return
        except OSError as error:
            self.found = Unseen(reason=f"{os.fsdecode(error.filename or self._proc)}: {error.strerror}")

    def _stale_files(self, pid: str) -> frozenset[bytes]:
        if time.monotonic() > self._deadline:
            raise TimeoutError
        try:
            program = _program(f"{self._proc}/{pid}/exe")
            return deleted_files(_read(f"{self._proc}/{pid}/maps"), program, self._directories)
        except (FileNotFoundError, ProcessLookupError):
            return frozenset()  # it has exited, or is a kernel thread, which has no program

    def _runs_host_files(self, pid: str, pids: list[str], own_root: os.stat_result) -> bool:
        """Whether the process runs this machine's files and not a container's.

        A sandboxed service has its own mount namespace, a chrooted daemon its own root. Only containers have both, and
        share the namespace with no process that has this machine's root.
        """
        with suppress(FileNotFoundError, ProcessLookupError):
            if self._has_root(pid, own_root):
                return True
            if not self._host_namespaces:
                self._host_namespaces = set(self._find_host_namespaces(pids, own_root))
            return os.readlink(f"{self._proc}/{pid}/ns/mnt") in self._host_namespaces
        return False

    def _find_host_namespaces(self, pids: list[str], own_root: os.stat_result) -> Iterator[str]:
        for pid in pids:
            with suppress(FileNotFoundError, ProcessLookupError):
                if self._has_root(pid, own_root):
                    yield os.readlink(f"{self._proc}/{pid}/ns/mnt")

    def _has_root(self, pid: str, own_root: os.stat_result) -> bool:
        try:
            return os.path.samestat(os.stat(f"{self._proc}/{pid}/root"), own_root)
        except (FileNotFoundError, ProcessLookupError):
            raise
        except OSError:  # not permissions, as `exe` was readable: the root is on a dead file server, or on a FUSE file
            return False  # system that only its user may enter, as in rootless containers

    def _describe(self, pid: str, files: frozenset[bytes]) -> Iterator[Process]:
        with suppress(FileNotFoundError, ProcessLookupError):
            program = _read(f"{self._proc}/{pid}/comm").decode("utf-8", "replace").rstrip("\n")
            cgroups = _read(f"{self._proc}/{pid}/cgroup")
            yield Process(
                program=program,
                unit=unit_of(cgroups),
                files=frozenset(path.decode("utf-8", "replace") for path in files),
                uid=session_user(cgroups),
            )


def _program(path: str) -> bytes:
    """Return a process's program; empty if the path exceeds the kernel's limit, which no packaged file does."""
    try:
        return os.readlink(os.fsencode(path))
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # any user can create one; it must not break the scan
            return b""
        raise


def _read(path: str) -> bytes:
    """Read a /proc file, which has no size."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks, size = [], 0
        while size < _MAX_FILE_BYTES and (chunk := os.read(descriptor, _CHUNK)):
            chunks.append(chunk)
            size += len(chunk)
        return b"".join(chunks)
    finally:
        os.close(descriptor)
