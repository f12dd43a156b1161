"""What an upgrade of an engine needs from the machine, behind the port `agent.core.engine_ports.EngineHost`."""

import os
from collections.abc import Callable, Mapping

from agent.core.hooks import HookVerdict
from agent.host.apt.disk_space import require_free
from agent.host.dpkg import database as dpkg_database
from agent.host.hook_directory import run_hooks
from agent.host.machine.boot_id import boot_id

_HOOK_LIMIT_S = 240.0
"""For one hook: below the 5 min after which a silent job counts as stalled."""
_TOTAL_LIMIT_S = 600.0


class LocalEngineHost:
    """This machine."""

    def __init__(self, archives: str, *, alive: Callable[[], None] = lambda: None) -> None:
        """Take the directory of kept archives, and what is called before each hook."""
        self._archives = archives
        self._alive = alive

    def boot_id(self) -> str:
        """Return the kernel's boot id; empty if it cannot be read."""
        return boot_id() or ""

    def require_space(self, *, download_bytes: int, installed_bytes: int) -> None:
        """Check the space for the archives of before and after, for unpacked files and for dpkg's database."""
        database = dpkg_database.status_file()
        require_free(
            {
                os.path.dirname(self._archives): 2 * download_bytes,
                "/usr": max(installed_bytes, 0) + download_bytes,
                str(database.parent): 2 * database.stat().st_size,
            }
        )

    def run_hooks(self, name: str, document: Mapping[str, object]) -> HookVerdict:
        """Run the hooks of a directory as root, in the order of their names, up to the first one that fails."""
        return run_hooks(name, document, limit_s=_HOOK_LIMIT_S, total_s=_TOTAL_LIMIT_S, alive=self._alive)
