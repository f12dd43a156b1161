"""Runs a job for a command: chooses where, shows its progress, prints its answer."""

import os
import time
from collections.abc import Callable, Sequence

from agent.cli.output import ProgressLine, print_error, print_failure, print_json, print_lines
from agent.cli.quiet import print_recorded_needs
from agent.core.job_control import Progress
from agent.core.job_kinds import JobKind
from agent.errors import BusyError, ExitCode, StoppedError
from agent.host.machine.user import is_root
from agent.host.systemd import systemd_runs
from agent.state.job_lock import worker_pid
from agent.state.job_progress import last_message
from agent.state.job_status import describe_running
from agent.state.json_reader import JsonReader
from agent.state.store import DEFAULT_DIRECTORY, Store
from agent.worker.client import SOCKET, request_job
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.runner import run_inline

_BUSY_TIMEOUT_S = 10.0
"""How long a worker socket with too many connections is retried; rejecting one takes it less."""


def via_worker(request: JobRequest, progress: Progress) -> JobAnswer:
    """Have the worker run the job; it continues if this command ends.

    Raises:
        AgentError: as `agent.worker.client.request_job`. StoppedError: Ctrl-C, which only detaches.
    """
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    try:
        while True:
            try:
                return request_job(request, progress)
            except BusyError:
                if time.monotonic() > deadline:
                    raise
                progress("waiting: too many concurrent requests")
                time.sleep(1)
    except KeyboardInterrupt:
        cancels = ", `maestro-agent reboot --cancel` ends it" if request.kind is JobKind.REBOOT else ""
        raise StoppedError(
            f"detached; the {request.kind.value} continues: `maestro-agent follow` shows its progress and its result, "
            f"`journalctl -ft maestro-agent` its log{cancels}"
        ) from None


def running_notice(state_dir: str) -> str:
    """Return that a job is running, with what it does, for a plan that is made meanwhile; empty if none is."""
    pid = worker_pid(state_dir)
    if pid is None:
        return ""
    doing = last_message(state_dir, pid).strip()
    running = describe_running(Store(state_dir))
    return f"{running}{f': {doing}' if doing else ''}. `maestro-agent follow` shows its progress."


def choose_runner(
    request: JobRequest, local: Callable[[JobRequest, Progress], JobAnswer]
) -> Callable[[JobRequest, Progress], JobAnswer]:
    """Return the worker for an ordinary job requested by root under systemd; else the given runner in this process."""
    ordinary = request.config is None and request.state_dir == DEFAULT_DIRECTORY and request.remember
    if ordinary and is_root() and systemd_runs() and os.path.exists(SOCKET) and not is_chroot():
        return via_worker
    return local


def is_chroot() -> bool:
    """Whether init, and so the worker, has another root directory and would change that (as systemctl(1) checks)."""
    try:
        return not os.path.samefile("/", "/proc/1/root")
    except OSError:
        return True


def run_job(
    request: JobRequest,
    *,
    as_json: bool,
    render: Callable[[JsonReader], Sequence[str]],
    runner: Callable[[JobRequest, Progress], JobAnswer] = run_inline,
    notice: str = "",
) -> int:
    """Run a job with a progress line, print its answer and warnings, return its exit code.

    `notice` is printed above the answer for a person.
    """
    if notice and as_json:
        print_error(notice)
    answer = answer_of(request, runner)
    if answer.document is None:
        if as_json:
            print_failure(answer.error, answer.exit_code)
    elif as_json:
        print_json(answer.document)
    else:
        print_lines([notice] if notice else [])
        print_lines(render(JsonReader(answer.document, request.kind.value)))
    return answer.exit_code


def run_quietly(request: JobRequest, runner: Callable[[JobRequest, Progress], JobAnswer]) -> int:
    """Run a job, print nothing but what needs a person, return its exit code. Another job at work needs nobody."""
    try:
        answer = runner(request, lambda _message: None)
    except BusyError as error:
        return error.exit_code
    if answer.exit_code != ExitCode.BUSY:
        _print_messages(answer)
        print_recorded_needs(request.state_dir)
    return answer.exit_code


def answer_of(request: JobRequest, runner: Callable[[JobRequest, Progress], JobAnswer]) -> JobAnswer:
    """Run a job with a progress line, print its warnings and its error, return its answer."""
    line = ProgressLine()
    try:
        answer = runner(request, line.show)
    finally:
        line.clear()
    _print_messages(answer)
    return answer


def _print_messages(answer: JobAnswer) -> None:
    for message in (*answer.warnings, *([answer.error] if answer.error else [])):
        print_error(message)
