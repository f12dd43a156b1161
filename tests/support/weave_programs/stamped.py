"""What an image and the test say to a program of the double: its version, and the faults that it shows."""

import json
from pathlib import Path
from typing import Any

STAMP = Path("/home/weave/stamp.json")
"""In each image: {"version", "user", "reports", "script"}."""
FAULTS = Path("/host/etc/weave-double.json")
"""On the machine, seen from a container: {version or "*": {name of a fault: value}}."""


def stamp() -> dict[str, str]:
    """Return what was stamped into this image."""
    found: dict[str, str] = json.loads(STAMP.read_text())
    return found


def fault(name: str, version: str) -> Any:
    """Return the value of a fault for this version of Weave, None without it; read again each time."""
    try:
        faults = json.loads(FAULTS.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return faults.get(version, {}).get(name, faults.get("*", {}).get(name))


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version: (2, 8, 10)."""
    return tuple(int(one) for one in version.split("."))


def api_version(version: str, configured: str | None) -> str:
    """Return the version of Docker's API that a Weave asks for (weave-behaviour.md I15, I16)."""
    return "1.18" if numbers(version) < (2, 8, 3) else configured or "1.24"
