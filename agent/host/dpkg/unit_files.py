"""Which running services an upgrade of packages restarts, as far as the installed packages show it."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from agent.core.pattern import lazy_pattern

_INFO = "/var/lib/dpkg/info"
_ACTIVE = ("/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/systemd/system.slice")
"""Where systemd keeps the cgroup of a running unit: the unified hierarchy, or its own one."""
_UNIT = lazy_pattern(r"(?:/usr)?/lib/systemd/system/([A-Za-z0-9:_.\\-]{1,250}\.service)")
_RESTARTS = re.compile(rb"deb-systemd-invoke|invoke-rc\.d")
_MAX_BYTES = 4 * 1024 * 1024


def restarted_units(
    packages: Iterable[tuple[str, str]], info: str = _INFO, active: tuple[str, ...] = _ACTIVE
) -> tuple[str, ...]:
    """Return running units of these packages, given by name and architecture, whose scripts restart them; sorted.

    Only what the installed version shows: the new version's scripts may do otherwise, and services that a script
    restarts for another reason, such as a new library, are not known beforehand.
    """
    return tuple(sorted({unit for package in packages for unit in _units(*package, info) if _is_active(unit, active)}))


def _units(name: str, architecture: str, info: str) -> Iterator[str]:
    for stem in (f"{name}:{architecture}", name):
        path = os.path.join(info, f"{stem}.list")
        scripts = b"".join(_read(os.path.join(info, f"{stem}.{script}")) for script in ("prerm", "postinst"))
        if _RESTARTS.search(scripts):
            lines = _read(path).decode("utf-8", "replace").split("\n")
            yield from (found[1] for line in lines if (found := _UNIT.fullmatch(line)))


def _is_active(unit: str, active: tuple[str, ...]) -> bool:
    return any(os.path.isdir(os.path.join(directory, unit)) for directory in active)


def _read(path: str) -> bytes:
    with suppress(OSError), open(path, "rb") as file:
        return file.read(_MAX_BYTES)
    return b""
