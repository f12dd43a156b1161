"""Reads the distribution from os-release(5)."""

import shlex
from functools import lru_cache
from pathlib import Path

from agent.core.policy.distro import Distro
from agent.errors import HostError

_OS_RELEASE = (Path("/etc/os-release"), Path("/usr/lib/os-release"))


def read_distro() -> Distro:
    """Read os-release(5).

    Raises:
        HostError: neither file can be read.
    """
    for path in _OS_RELEASE:
        try:
            return _distro(path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
    raise HostError("/etc/os-release cannot be read: the distribution is unknown")


@lru_cache(maxsize=1)
def _distro(text: str) -> Distro:
    """Return what the file says; kept, as the daemon asks at each tick and for each report."""
    fields = dict(_field(line) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return Distro(
        id=fields.get("ID", ""), codename=fields.get("VERSION_CODENAME", ""), version=fields.get("VERSION_ID", "")
    )


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    try:
        words = shlex.split(value)
    except ValueError:
        words = [value]
    return name.strip(), words[0] if words else ""
