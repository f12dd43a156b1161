"""Whether systemd starts the daemon at boot, from the unit's files (systemd.unit(5)). Light: imported by `status`."""

import os
from enum import Enum

UNIT = "maestro-agent.service"
_WORKER_UNITS = ("maestro-agent-worker.socket", "maestro-agent-worker@.service")
_DIRECTORIES = (
    *("etc/systemd/system.control", "run/systemd/system.control", "run/systemd/transient"),
    *("etc/systemd/system", "etc/systemd/system.attached", "run/systemd/system", "run/systemd/system.attached"),
    *("usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"),
)
"""The first one that has the unit counts."""
_DEPENDENCIES = (".wants", ".requires", ".upholds")


class UnitState(Enum):
    """As `systemctl is-enabled` has it; `systemctl` itself would cost more than all of `status`."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    MASKED = "masked"
    ABSENT = "absent"
    """There is no such unit: the agent was not installed from its package."""


def unit_state(root: str = "/", unit: str = UNIT) -> UnitState:
    """Return the state of the daemon's unit."""
    directories = [os.path.join(root, name) for name in _DIRECTORIES]
    files = [os.path.join(directory, unit) for directory in directories]
    first = next((file for file in files if os.path.lexists(file)), None)
    if first is None:
        return UnitState.ABSENT
    if _is_mask(first):
        return UnitState.MASKED
    wanted = any(_is_wanted(directory, unit) for directory in directories)
    return UnitState.ENABLED if wanted else UnitState.DISABLED


def masked_worker_unit(root: str = "/") -> str:
    """Return a unit of the worker that is masked, so that the daemon can run no job; empty if none is."""
    return next((unit for unit in _WORKER_UNITS if unit_state(root, unit) is UnitState.MASKED), "")


def _is_mask(file: str) -> bool:
    """Return whether a unit file or dependency is a link to /dev/null, or an empty file."""
    try:
        target = os.readlink(file)
    except OSError:
        return os.path.isfile(file) and os.path.getsize(file) == 0
    return os.path.basename(target) == "null" and os.path.basename(os.path.dirname(target)) == "dev"


def _is_wanted(directory: str, unit: str) -> bool:
    """Return whether a target's directory of dependencies has the unit."""
    try:
        names = os.listdir(directory)
    except OSError:
        return False
    links = [os.path.join(directory, name, unit) for name in names if name.endswith(_DEPENDENCIES)]
    return any(os.path.lexists(link) and not _is_mask(link) for link in links)
