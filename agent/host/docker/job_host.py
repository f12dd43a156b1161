"""What an upgrade of an engine needs from the machine, behind the port `agent.core.engine_ports.EngineHost`."""

import os
import time
from collections.abc import Callable, Mapping

from agent.core.engine_ports import HookVerdict
from agent.host import log
from agent.host.apt.disk_space import require_free
from agent.host.dpkg import database as dpkg_database
from agent.host.machine.boot_id import boot_id
from agent.host.process.hooks import HookResult, find_hooks, run_hook

DIRECTORY = "/etc/maestro-agent/hooks"
_HOOK_LIMIT_S = 240.0
"""For one hook: below the 5 min after which a silent job counts as stalled."""
_TOTAL_LIMIT_S = 600.0
_LATER = 75
"""EX_TEMPFAIL of sysexits.h."""


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
        deadline = time.monotonic() + _TOTAL_LIMIT_S
        hooks = find_hooks(os.path.join(DIRECTORY, name))
        for number, path in enumerate(hooks, 1):
            self._alive()
            result = _run(path, document, deadline - time.monotonic())
            label = f"{name}/{os.path.basename(path)}"
            log.event(log.LogEvent.HOOK_RAN, hook=label, output=result.output, error=result.problem)
            if result.problem:
                output = f": {result.output}" if result.output else ""
                return HookVerdict(
                    ran=number, problem=f"{label}: {result.problem}{output}", deferred=result.exit_code == _LATER
                )
        return HookVerdict(ran=len(hooks))


def _run(path: str, document: Mapping[str, object], left_s: float) -> HookResult:
    if left_s <= 0:
        return HookResult(problem="no time left for it", output="")
    return run_hook(path, document, user=None, limit_s=min(left_s, _HOOK_LIMIT_S))
