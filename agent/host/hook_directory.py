"""Runs the hooks of a directory of `/etc/maestro-agent/hooks` before and after a change, as root."""

import os
import time
from collections.abc import Callable, Mapping

from agent.core.engine_ports import HookVerdict
from agent.host import log
from agent.host.process.hooks import HookResult, find_hooks, run_hook

DIRECTORY = "/etc/maestro-agent/hooks"
_LATER = 75
"""EX_TEMPFAIL of sysexits.h."""


def run_hooks(
    name: str,
    document: Mapping[str, object],
    *,
    limit_s: float,
    total_s: float | None = None,
    alive: Callable[[], None] = lambda: None,
) -> HookVerdict:
    """Run the hooks of a directory in the order of their names, up to the first one that fails.

    `limit_s` is for each hook and `total_s` for all of them (None: no limit); `alive` is called while they run.
    """
    deadline = None if total_s is None else time.monotonic() + total_s
    hooks = find_hooks(os.path.join(DIRECTORY, name))
    for number, path in enumerate(hooks, 1):
        left_s = limit_s if deadline is None else min(limit_s, deadline - time.monotonic())
        result = _run(path, document, left_s, alive)
        label = f"{name}/{os.path.basename(path)}"
        log.event(log.LogEvent.HOOK_RAN, hook=label, output=result.output, error=result.problem)
        if result.problem:
            output = f": {result.output}" if result.output else ""
            return HookVerdict(
                ran=number, problem=f"{label}: {result.problem}{output}", deferred=result.exit_code == _LATER
            )
    return HookVerdict(ran=len(hooks))


def _run(path: str, document: Mapping[str, object], limit_s: float, alive: Callable[[], None]) -> HookResult:
    if limit_s <= 0:
        return HookResult(problem="no time left for it", output="")
    return run_hook(path, document, user=None, limit_s=limit_s, alive=alive)
