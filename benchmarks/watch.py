"""Runs one command in a machine and measures it from outside: time, CPU, dpkg's lock, memory."""

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from agent.state.file_lock import holder_pid
from tests.support.machine import Machine

_LOCK = "/var/lib/dpkg/lock-frontend"
_LOCK_EVERY_S = 0.01
_MEMORY_EVERY_S = 0.02
_OWN = b"\0/srv/"
"""In the command line of a benchmark's own program inside the machine, whose memory does not count."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Measurements of one command."""

    wall_s: float
    cpu_s: float
    """User and system time of the command and all its children."""
    lock_held_s: float
    """How long any process held dpkg's frontend lock, sampled every 10 ms."""
    pss_kib: int
    """Peak sum over all processes of the machine, each page counted once; 0 if not measured."""
    rss_kib: int
    """Largest single process; 0 if not measured."""
    output: str


class _Watch(threading.Thread):
    """Takes samples until it is stopped."""

    def __init__(self, every_s: float) -> None:
        super().__init__(daemon=True)
        self._every_s = every_s
        self._over = threading.Event()

    def run(self) -> None:
        before = time.perf_counter()
        while not self._over.wait(self._every_s):
            now = time.perf_counter()
            self.sample(now - before)
            before = now

    def sample(self, seconds: float) -> None:
        """Take one sample, `seconds` after the previous one."""
        raise NotImplementedError

    def end(self) -> None:
        """Stop sampling."""
        self._over.set()
        self.join()


class _Lock(_Watch):
    def __init__(self, running: Machine) -> None:
        super().__init__(_LOCK_EVERY_S)
        self._path = str(running.path(_LOCK))
        self.held_s = 0.0

    def sample(self, seconds: float) -> None:
        if holder_pid(self._path) is not None:
            self.held_s += seconds


class _Memory(_Watch):
    def __init__(self, running: Machine) -> None:
        super().__init__(_MEMORY_EVERY_S)
        self._proc = running.path("/proc")
        self.pss_kib = 0
        self.rss_kib = 0

    def sample(self, seconds: float) -> None:  # noqa: ARG002 - the peak counts, however short it was
        # A set: a child that vfork(2) made is its parent until it executes, and its memory shows twice.
        seen = {self._of(process) for process in self._proc.iterdir() if process.name.isdigit() and process.name != "1"}
        self.pss_kib = max(self.pss_kib, sum(pss for _, pss, _ in seen))
        self.rss_kib = max(self.rss_kib, max((rss for _, _, rss in seen), default=0))

    @staticmethod
    def _of(process: Path) -> tuple[bytes, int, int]:
        with contextlib.suppress(OSError):  # the process has ended
            command = (process / "cmdline").read_bytes()
            if _OWN in command:
                return b"", 0, 0
            lines = (process / "smaps_rollup").read_text().splitlines()[1:]
            fields = {line.split()[0]: int(line.split()[1]) for line in lines}
            return command, fields["Pss:"], fields["Rss:"]
        return b"", 0, 0


def watch(running: Machine, command: str, *, memory: bool = False) -> Watched:
    """Run a command, which must succeed. Sampling memory costs time: do not use the seconds of such a run."""
    lock, sizes = _Lock(running), _Memory(running)
    watches: list[_Watch] = [lock, sizes] if memory else [lock]
    for each in watches:
        each.start()
    started = time.perf_counter()
    child = running.start(f"{{ {command} ; }} >/srv/output 2>/srv/errors")
    _, status, usage = os.wait4(child.pid, 0)
    wall_s = time.perf_counter() - started
    for each in watches:
        each.end()
    child.returncode = os.waitstatus_to_exitcode(status)
    child.communicate()
    output, errors = (running.path(name).read_text(errors="replace") for name in ("/srv/output", "/srv/errors"))
    if child.returncode:
        raise AssertionError(f"{command}: exit {child.returncode}\n{output[-3000:]}\n{errors[-3000:]}")
    return Watched(
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        lock_held_s=lock.held_s,
        pss_kib=sizes.pss_kib,
        rss_kib=sizes.rss_kib,
        output=output,
    )
