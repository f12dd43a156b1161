"""The machine's processes, as far as they say which of them still run files that were replaced (proc(5)).

Read as it is, without psutil, whose `memory_maps` takes twenty times as long for each process.
"""

import errno
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from agent.core.model.facts import Unseen
from agent.core.reboot.services import PACKAGE_DIRECTORIES, Process, maps_deleted_files, unit_names, unit_of

_PATIENCE_S = 30.0
"""A hundred times what a thousand processes take: beyond that something is stuck."""
_CHUNK = 1 << 18
_LARGEST = 1 << 26
"""A process of half a million mappings; no more of one is read."""


def scan_replaced_files(
    proc: str = "/proc", places: tuple[bytes, ...] = PACKAGE_DIRECTORIES, patience_s: float = _PATIENCE_S
) -> tuple[str, ...] | Unseen:
    """Return what runs files that were replaced, sorted: units, or programs outside of all units.

    A process that ends meanwhile is none. The reader of a process's mappings waits for whoever changes them, who may
    in turn wait for a dead file server: hence a thread of its own, which is left behind where it takes too long.
    """
    look = _ProcessScan(proc, places, time.monotonic() + patience_s)
    thread = threading.Thread(target=look.take, daemon=True)
    thread.start()
    thread.join(patience_s + 1)
    return look.found


class _ProcessScan:
    """One look at all processes, while it goes on."""

    def __init__(self, proc: str, places: tuple[bytes, ...], deadline: float) -> None:
        self._proc = proc
        self._places = places
        self._deadline = deadline
        self._homes: set[str] = set()
        """Mount namespaces in which a process has this machine's root; empty until one asks."""
        self.found: tuple[str, ...] | Unseen = Unseen(reason="it took too long to look at all processes")

    def take(self) -> None:
        """Look, and leave in `found` what was seen."""
        try:
            own_root = os.stat("/")
            pids = [name for name in os.listdir(self._proc) if name.isdecimal()]
            # This process itself runs on what it has just replaced, and is about to end.
            stale = [pid for pid in pids if int(pid) != os.getpid() and self._is_stale(pid)]
            ours = [pid for pid in stale if self._is_of_this_machine(pid, pids, own_root)]
            self.found = unit_names(process for pid in ours for process in self._described(pid))
        except TimeoutError:
            return
        except OSError as error:
            self.found = Unseen(reason=f"{os.fsdecode(error.filename or self._proc)}: {error.strerror}")

    def _is_stale(self, pid: str) -> bool:
        if time.monotonic() > self._deadline:
            raise TimeoutError
        try:
            program = _program(f"{self._proc}/{pid}/exe")
            return maps_deleted_files(_read(f"{self._proc}/{pid}/maps"), program, self._places)
        except (FileNotFoundError, ProcessLookupError):
            return False  # it has ended, or is a part of the kernel, which has no program

    def _is_of_this_machine(self, pid: str, pids: list[str], own_root: os.stat_result) -> bool:
        """Whether it runs this machine's files and not those of a container.

        A sandboxed service has mounts of its own, and a daemon that has locked itself up a root of its own; only
        containers have both, and live with nobody who has this machine's root.
        """
        with suppress(FileNotFoundError, ProcessLookupError):
            if self._has_root(pid, own_root):
                return True
            if not self._homes:
                self._homes = set(self._home_namespaces(pids, own_root))
            return os.readlink(f"{self._proc}/{pid}/ns/mnt") in self._homes
        return False

    def _home_namespaces(self, pids: list[str], own_root: os.stat_result) -> Iterator[str]:
        for pid in pids:
            with suppress(FileNotFoundError, ProcessLookupError):
                if self._has_root(pid, own_root):
                    yield os.readlink(f"{self._proc}/{pid}/ns/mnt")

    def _has_root(self, pid: str, own_root: os.stat_result) -> bool:
        try:
            return os.path.samestat(os.stat(f"{self._proc}/{pid}/root"), own_root)
        except (FileNotFoundError, ProcessLookupError):
            raise
        except OSError:  # whoever may read `exe` may follow this, too: it leads to a file server that is dead, or to a
            return False  # file system of its user's alone (FUSE), as containers without root have it

    def _described(self, pid: str) -> Iterator[Process]:
        with suppress(FileNotFoundError, ProcessLookupError):
            program = _read(f"{self._proc}/{pid}/comm").decode("utf-8", "replace").rstrip("\n")
            yield Process(program=program, unit=unit_of(_read(f"{self._proc}/{pid}/cgroup")))


def _program(path: str) -> bytes:
    """Return what a process runs; empty where its path is longer than the kernel tells, which no package's is."""
    try:
        return os.readlink(os.fsencode(path))
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # anybody may have such a one, and must not hide all others by it
            return b""
        raise


def _read(path: str) -> bytes:
    """Read a file of the kernel's, whose size is not known before."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks, size = [], 0
        while size < _LARGEST and (chunk := os.read(descriptor, _CHUNK)):
            chunks.append(chunk)
            size += len(chunk)
        return b"".join(chunks)
    finally:
        os.close(descriptor)
