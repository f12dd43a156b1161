"""A control group for each booted machine (cgroups(7)).

systemd-nspawn(1) with --keep-unit creates its groups `supervisor` and `payload` below the group that it is started in.
Started in one group, two machines would share both: each systemd would kill, empty and remove the groups of the other's
services, and a service that starts at that moment fails with 219/CGROUP (systemd.exec(5)).
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_END_S = 30


@contextlib.contextmanager
def control_group(name: str) -> Iterator[Path]:
    """Create a group below the one of this process; it is removed with the block, when the processes in it have exited.

    Raises:
        StopIteration: no cgroup2 file system is mounted. OSError: it is read-only.
    """
    made = next(_directories("0::", "cgroup2")) / name
    made.mkdir()
    try:
        yield made
    finally:
        _remove(made)
        for other in _directories("name=systemd:", "cgroup"):  # nspawn makes a copy where that hierarchy exists
            _remove(other / name)


def _directories(hierarchy: str, file_system: str) -> Iterator[Path]:
    """Yield the directory of this process's group in a hierarchy, where it is mounted: cgroups(7), proc(5)."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = [path for line in lines for _, found, path in [line.partition(hierarchy)] if found]
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, source = line.partition(" - ")
        root, mounted_at = mount.split()[3:5]
        if own and source.split()[0] == file_system and (file_system == "cgroup2" or "name=systemd" in source):
            yield Path(mounted_at, os.path.relpath(own[0], root))


def _remove(group: Path) -> None:
    """Remove a group and those below it; processes that were killed stay in it until the kernel has ended them."""
    deadline = time.monotonic() + _END_S
    while group.exists() and time.monotonic() < deadline:
        for directory, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(directory)
        time.sleep(0.01)
