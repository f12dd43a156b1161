"""Whether a plan fits on the machine's file systems, asked before anything is downloaded."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import apt_pkg

from agent.core.model.plan import Step
from agent.errors import NoSpaceError
from agent.host.apt.cache import PackageCache
from agent.host.apt.resolve import marked
from agent.host.dpkg import database as dpkg_database
from agent.host.machine.disk import free_bytes

_MARGIN_BYTES = 32 * 1024 * 1024
"""Left free for logs and what maintainer scripts write."""
_CONFIGURATION_BYTES = 1024 * 1024
"""Room for files below /etc, where /usr is a file system of its own."""


def require_space(index: PackageCache, fetcher: apt_pkg.Acquire, steps: Sequence[Step], archives: str) -> None:
    """Refuse what would fill a file system: with archives, unpacked files, dpkg's database, or a kernel in /boot.

    Raises:
        NoSpaceError: with all packages of the plan, or where /boot alone is too small, with its kernels.
    """
    largest = max((version.installed_size for version in marked(index)), default=0)
    database = dpkg_database.status_file()
    needs = {
        archives: fetcher.fetch_needed,
        "/usr": max(index.depcache.usr_size, 0) + largest,
        "/": _CONFIGURATION_BYTES,
        str(database.parent): 2 * database.stat().st_size,
    }
    _require(needs, tuple(step.package for step in steps))
    kernels = tuple(step.package for step in steps if step.package.startswith("linux-image"))
    if kernels:
        count = sum(step.new for step in steps if step.package in kernels)  # one in place of another needs room, too
        _require({**needs, "/boot": _kernel_bytes() * max(count, 1)}, kernels)


def _require(needs: Mapping[str, int], packages: tuple[str, ...]) -> None:
    """Add up what is needed on each file system and compare it with what is free there."""
    by_device: dict[int, tuple[str, int]] = {}
    for directory, need in needs.items():
        with suppress(OSError):
            device = os.stat(directory).st_dev
            first, so_far = by_device.get(device, (directory, 0))
            by_device[device] = (first, so_far + need)
    for directory, need in by_device.values():
        free = free_bytes(directory)
        if need and free < need + _MARGIN_BYTES:
            raise NoSpaceError(
                f"not enough space for {directory}: {need / 1e6:.0f} MB and {_MARGIN_BYTES / 1e6:.0f} MB to spare "
                f"are needed, {free / 1e6:.0f} MB are free; make room and run it again",
                packages,
            )


def _kernel_bytes() -> int:
    """Return what a further kernel takes in /boot: the largest of each kind of file that is there now."""
    kinds = ("vmlinuz-*", "initrd.img-*", "System.map-*", "config-*")
    with suppress(OSError):
        return sum(max((file.stat().st_size for file in Path("/boot").glob(kind)), default=0) for kind in kinds)
    return 0
