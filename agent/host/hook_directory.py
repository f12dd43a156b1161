"""Runs the hooks of a directory of `/etc/maestro-agent/hooks` before and after a change, as root (docs/hooks.md)."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from agent.core.hooks import HookVerdict
from agent.host import log
from agent.host.process.file_trust import distrust
from agent.host.process.hooks import HookResult, find_hooks, run_hook
from agent.state.process_id import alive_pid, own_process_id, process_id

DIRECTORY = "/etc/maestro-agent/hooks"
RUNNING = "/run/maestro-agent-hook"
"""The hook that runs, and the job that runs it."""
_LATER = 75
"""EX_TEMPFAIL of sysexits.h."""
_UPGRADE_LIMIT_S = 240.0
_UPGRADE_TOTAL_S = 600.0


class LocalHooks:
    """The hooks of this machine before and after an upgrade of packages."""

    def __init__(self, *, alive: Callable[[], None] = lambda: None) -> None:
        """Take what is called while a hook runs."""
        self._alive = alive

    def has_hooks(self, name: str) -> bool:
        """Return whether a directory has a hook."""
        return bool(find_hooks(os.path.join(DIRECTORY, name)))

    def run_hooks(self, name: str, document: Mapping[str, object]) -> HookVerdict:
        """Run the hooks of a directory as root."""
        return run_hooks(name, document, limit_s=_UPGRADE_LIMIT_S, total_s=_UPGRADE_TOTAL_S, alive=self._alive)


def run_hooks(
    name: str,
    document: Mapping[str, object],
    *,
    limit_s: float,
    total_s: float | None = None,
    alive: Callable[[], None] = lambda: None,
) -> HookVerdict:
    """Run the hooks of a directory in the order of their names.

    Those of a `pre-` directory up to the first one that fails. Of a `post-` directory all run: one that fails must not
    keep the next one from taking back what its counterpart did before the change.

    `limit_s` is for each hook and `total_s` for all of them (None: no limit); `alive` is called while they run.
    """
    _kill_leftover()
    deadline = None if total_s is None else time.monotonic() + total_s
    ran, problems, deferred = 0, list[str](), False
    for path in find_hooks(os.path.join(DIRECTORY, name)):
        left_s = limit_s if deadline is None else min(limit_s, deadline - time.monotonic())
        result = _run(path, document, left_s, alive)
        label = f"{name}/{os.path.basename(path)}"
        event = log.LogEvent.HOOK_FAILED if result.problem else log.LogEvent.HOOK_RAN
        log.event(event, hook=label, output=result.output, error=result.problem)
        ran += result.started
        if result.problem:
            output = f": {result.output}" if result.output else ""
            problems.append(f"{label}: {result.problem}{output}")
            deferred = deferred or result.exit_code == _LATER
            if not name.startswith("post-"):
                break
    return HookVerdict(ran=ran, problem="; ".join(problems), deferred=deferred)


def refused_hooks() -> list[str]:
    """Return why hooks would not be run, one line each: others than root can change them."""
    try:
        names = sorted(name for name in os.listdir(DIRECTORY) if name.endswith(".d"))
    except OSError:
        return []
    paths = [path for name in names for path in find_hooks(os.path.join(DIRECTORY, name))]
    return [f"{path} is not run: {problem}" for path in paths if (problem := distrust(path))]


def _kill_leftover() -> None:
    """Kill the hook of a job that was killed, and its process group: it would drain what the hooks after it put back.

    systemd leaves it, because dpkg must go on where a job was killed (`KillMode=process`).
    """
    with suppress(OSError), open(RUNNING, encoding="ascii", errors="replace") as file:
        hook, job = (alive_pid(file.readline(64)) for _ in range(2))
        if hook is not None and job is None:
            os.killpg(hook, signal.SIGKILL)


def _note_started(pid: int) -> None:
    with suppress(OSError), open(RUNNING, "w", encoding="ascii") as file:
        file.write(f"{process_id(pid)}\n{own_process_id()}\n")


def _run(path: str, document: Mapping[str, object], limit_s: float, alive: Callable[[], None]) -> HookResult:
    if limit_s <= 0:
        return HookResult(problem="no time left for it", output="", started=False)
    name = os.path.basename(os.path.dirname(path)).removesuffix(".d")
    variables = {"MAESTRO_HOOK": name}
    try:
        return run_hook(
            path, document, user=None, limit_s=limit_s, alive=alive, started=_note_started, variables=variables
        )
    finally:
        with suppress(OSError):
            os.unlink(RUNNING)
