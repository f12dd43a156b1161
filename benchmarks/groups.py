"""Processor time of whole process trees: a control group for each, whose counter includes children that have ended.

`cpu.stat` counts in microseconds and needs no controller (the kernel's cgroup-v2.rst, "CPU Interface Files").
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.cgroup import control_group
from tests.support.machine import Machine


@dataclass(frozen=True, kw_only=True)
class Group:
    """A control group; processes in it and all that they start are counted."""

    directory: Path

    def start(self, running: Machine, command: str) -> "subprocess.Popen[str]":
        """Start a command in the machine whose processes are in this group from their beginning."""
        self._join(self.directory)
        try:
            return running.start(command)
        finally:
            self._join(self.directory.parent)

    @property
    def cpu_s(self) -> float:
        """User and system time so far, in seconds."""
        lines = (self.directory / "cpu.stat").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("usage_usec"))) / 1e6

    @property
    def pids(self) -> list[int]:
        """Processes in it, as this process sees them, oldest first."""
        return sorted(int(pid) for pid in (self.directory / "cgroup.procs").read_text().split())

    @staticmethod
    def _join(directory: Path) -> None:
        (directory / "cgroup.procs").write_text(str(os.getpid()))


@contextlib.contextmanager
def group(name: str) -> Iterator[Group]:
    """Make a group, which is removed with the block; its processes must have ended by then."""
    with control_group(f"maestro-bench-{os.getpid()}-{name}") as directory:
        yield Group(directory=directory)
