"""Checks, before a download, that a plan fits on the machine's file systems."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import apt_pkg

from agent.core.model.plan import Step
from agent.errors import NoSpaceError
from agent.host.apt.cache import PackageCache
from agent.host.apt.marks import marked
from agent.host.dpkg import database as dpkg_database
from agent.host.machine.disk import free_bytes

_MARGIN_BYTES = 32 * 1024 * 1024
"""Kept free for logs and for files that maintainer scripts write."""
_CONFIGURATION_BYTES = 1024 * 1024
"""Space for files below /etc, if /usr is a separate file system."""


def require_space(cache: PackageCache, fetcher: apt_pkg.Acquire, steps: Sequence[Step], archives: str) -> None:
    """Check the space for archives, unpacked files, dpkg's database and kernels in /boot.

    Raises:
        NoSpaceError: space is short; names all packages of the plan, or only its kernels if only /boot is too small.
    """
    largest = max((version.installed_size for version in marked(cache)), default=0)
    database = dpkg_database.status_file()
    needs = {
        archives: fetcher.fetch_needed,
        "/usr": max(cache.depcache.usr_size, 0) + largest,
        "/": _CONFIGURATION_BYTES,
        str(database.parent): 2 * database.stat().st_size,
    }
    require_free(needs, tuple(step.package for step in steps))
    kernels = tuple(step.package for step in steps if step.package.startswith("linux-image"))
    if kernels:
        count = sum(step.new for step in steps if step.package in kernels)  # a replaced kernel needs space, too
        require_free({**needs, "/boot": _kernel_bytes() * max(count, 1)}, kernels)


def require_free(needs: Mapping[str, int], packages: tuple[str, ...] = ()) -> None:
    """Compare the sum of needs by directory on each file system with its free space.

    Raises:
        NoSpaceError: space is short; it names these packages.
    """
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
                f"not enough space for {directory}: {need / 1e6:.0f} MB and a reserve of {_MARGIN_BYTES / 1e6:.0f} MB "
                f"are needed, {free / 1e6:.0f} MB are free; free some space and run it again",
                packages,
            )


def _kernel_bytes() -> int:
    """Return the space of one more kernel in /boot: the sum of the largest existing file of each kind."""
    kinds = ("vmlinuz-*", "initrd.img-*", "System.map-*", "config-*")
    with suppress(OSError):
        return sum(max((file.stat().st_size for file in Path("/boot").glob(kind)), default=0) for kind in kinds)
    return 0
