"""What the commands that do a job have in common: the request, the progress line, the answer."""

import os
import time
from collections.abc import Callable

from agent.cli.output import ProgressLine, print_error, print_json, print_lines
from agent.core.ports import Progress
from agent.errors import BusyError, StoppedError
from agent.host.machine.user import is_root
from agent.host.systemd import systemd_runs
from agent.state.json_reader import JsonReader
from agent.state.store import DEFAULT_DIRECTORY
from agent.worker.client import SOCKET, request_job
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.runner import run_inline

_PATIENCE_S = 10.0
"""How long a door that is full is tried; whatever else is there to be had at it takes less."""


def via_worker(request: JobRequest, tell: Progress) -> JobAnswer:
    """Have a job done by the root half, which goes on with it if this command ends."""
    deadline = time.monotonic() + _PATIENCE_S
    try:
        while True:
            try:
                return request_job(request, tell)
            except BusyError:
                if time.monotonic() > deadline:
                    raise
                tell("waiting: too many ask at once")
                time.sleep(1)
    except KeyboardInterrupt:
        raise StoppedError(
            f"the {request.kind.value} goes on without you: `maestro-agent status` shows it, "
            "`journalctl -fu 'maestro-agent-worker@*'` follows it"
        ) from None


def choose_runner(
    request: JobRequest, in_place: Callable[[JobRequest, Progress], JobAnswer]
) -> Callable[[JobRequest, Progress], JobAnswer]:
    """Return the root half where systemd runs it and root asks for an ordinary job; else the job is done in place."""
    ordinary = request.config is None and request.state_dir == DEFAULT_DIRECTORY and request.remember
    if ordinary and is_root() and systemd_runs() and os.path.exists(SOCKET) and not _is_chroot():
        return via_worker
    return in_place


def _is_chroot() -> bool:
    """Whether init, and so the worker, has another root: it would work on that one (as systemctl(1) finds out)."""
    try:
        return not os.path.samefile("/", "/proc/1/root")
    except OSError:
        return True


def run_job(
    request: JobRequest,
    *,
    as_json: bool,
    render: Callable[[JsonReader], list[str]],
    how: Callable[[JobRequest, Progress], JobAnswer] = run_inline,
) -> int:
    """Do a job with a progress line, print its answer, return its exit code."""
    progress = ProgressLine()
    try:
        answer = how(request, progress.tell)
    finally:
        progress.clear()
    if answer.error:
        print_error(answer.error)
    if answer.document is not None:
        if as_json:
            print_json(answer.document)
        else:
            print_lines(render(JsonReader(answer.document, request.kind.value)))
    return answer.exit_code
