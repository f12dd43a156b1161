"""Runs one job: in this process, or in a forked child that outlives the command.

A forked job has its own session: a closed terminal or a killed command does not end it; it finishes and records its
outcome. SIGTERM and SIGINT ask it to stop at the next safe point.
"""

import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, nullcontext, suppress
from types import ModuleType

from agent.core.frozen import replace
from agent.core.job_control import JobControl, Progress, StopReason
from agent.core.job_kinds import JobKind, JobOption
from agent.core.redact import redact
from agent.core.schemas import REBOOT_OUTCOME_SCHEMA
from agent.errors import (
    AgentError,
    BusyError,
    ExitCode,
    HostError,
    NothingDoneError,
    PrivilegeError,
    StoppedError,
    missing_module,
)
from agent.host import log
from agent.host.machine.user import is_root
from agent.host.process.environment import use_system_environment
from agent.state.job_lock import job_lock
from agent.state.job_status import (
    describe_running,
    job_entry,
    record_job_end,
    record_job_start,
    restore_job,
)
from agent.state.record import Record, open_record
from agent.state.requests_record import request_lock
from agent.state.store import Store
from agent.state.timestamps import utc_now
from agent.worker.context import JobContext
from agent.worker.job_context import open_context
from agent.worker.job_report import JobReport
from agent.worker.line_sender import LineSender
from agent.worker.notify import notify_person
from agent.worker.protocol import JobAnswer, JobRequest, decode_line, encode_answer, encode_progress

JobFunction = Callable[[JobRequest, JobContext], JobAnswer]
_LOCK_POLL_S = 1.0
"""Interval at which a request with `wait` tries the job lock again."""
_NO_ANSWER = "the job ended without an answer; `maestro-agent history` shows how far it came"


def run_inline(request: JobRequest, progress: Progress) -> JobAnswer:
    """Run a job that changes no package in this process; the first signal asks it to stop.

    Raises:
        AgentError: the job could not start, or had no answer.
    """
    return run_in_process(request, JobControl(progress=progress, stop=stop_on_signal()))


def run_in_process(request: JobRequest, control: JobControl) -> JobAnswer:
    """Run a job in this process.

    Raises:
        AgentError: the job could not start, or had no answer.
    """
    use_system_environment()
    log.set_up()
    warnings: list[str] = []

    def warn(reason: str) -> None:
        if reason not in warnings:  # a user cannot set a damaged document aside, so that each reader finds it again
            log.event(log.LogEvent.RECORD_DAMAGED, error=reason)
            warnings.append(reason)

    record = open_record(Store(request.state_dir, warn=warn))
    # Imported before the job lock is waited for: the job that holds it may replace this program's files.
    function = _loaded(request)
    if request.needs_root:
        if not is_root():
            raise PrivilegeError(_needs_root(request.kind))
        if not record.writable:
            raise HostError(f"{record.write_error}, and no change is made without a record")
        with request_lock(record.store) if request.kind is JobKind.RUN_REQUEST else nullcontext(), ExitStack() as lock:
            _acquire_job_lock(lock, request, record.store, control)
            answer = _run_alone(function, request, control, record, lock)
    else:
        answer = function(request, open_context(request, control, record))
    return replace(answer, warnings=tuple(warnings))


def _run_alone(
    function: JobFunction, request: JobRequest, control: JobControl, record: Record, lock: ExitStack
) -> JobAnswer:
    """Run a job and the one that follows it, under the job lock, which `lock` releases.

    The lock is kept from a request's beginning to its work: else its window, or its life, could end while another job
    runs. Notifications, and a reboot after them, do without it.
    """
    answer = _recorded(function, request, control, record)
    work = answer.follow_up
    if request.kind is JobKind.RUN_REQUEST and work is not None:
        then = _answer_of(lambda: _run_alone(_loaded(work), work, control, record, lock))
        _imported(request.kind.module).finish(record.store, work.request_id, then)
        return replace(answer, follow_up=None)
    lock.close()
    if request.remember and not _goes_down(answer):
        _notify(record.store, request)
    return answer if work is None else _joined(answer, _answer_of(lambda: run_in_process(work, control)))


def _answer_of(job: Callable[[], JobAnswer]) -> JobAnswer:
    try:
        return job()
    except AgentError as error:
        return JobAnswer(exit_code=error.exit_code, error=str(error))


def _joined(answer: JobAnswer, then: JobAnswer) -> JobAnswer:
    """Return the answer with the outcome of the job that followed. The worse of both exit codes counts."""
    document = {**(answer.document or {}), "reboot_outcome": then.document}
    errors = "; ".join(part for part in (answer.error, then.error) if part)
    code = then.exit_code if then.exit_code != ExitCode.OK else answer.exit_code
    return replace(answer, document=document, error=errors, exit_code=code, follow_up=None)


def _goes_down(answer: JobAnswer) -> bool:
    """Return whether the machine is being rebooted, so that there is no time for notifications."""
    document = answer.document or {}
    return document.get("schema") == REBOOT_OUTCOME_SCHEMA and document.get("result") == "requested"


def run_forked(request: JobRequest, progress: Progress) -> JobAnswer:
    """Run a job in a forked child and wait for its answer; SIGINT and SIGTERM are passed on to it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_job(request, writing)
    os.close(writing)
    # SIGHUP keeps its default: a closed terminal ends this process, and the job continues without it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: _ask_to_stop(child, progress))
    answer = JobAnswer(exit_code=ExitCode.FAILED, error=_NO_ANSWER)
    with os.fdopen(reading, encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):  # cut short: it was killed, or this process did not read for too long
                break
            received = decode_line(line)
            if isinstance(received, JobAnswer):
                answer = received
            else:
                progress(received)
    os.waitpid(child, 0)
    return answer


def stop_on_signal() -> StopReason:
    """Handle SIGINT and SIGTERM as requests to stop; return the callback that reports them."""
    reason = ""

    def request_stop(_number: int, _frame: object) -> None:
        nonlocal reason
        reason = "on request"

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, request_stop)
    return lambda: reason


def job_function(kind: JobKind) -> JobFunction:
    """Return the `run` of a job's module, imported by name so that a process loads only the job that it runs.

    Raises:
        HostError: a module of the distribution is missing.
    """
    function: JobFunction = _imported(kind.module).run
    return function


def _loaded(request: JobRequest) -> JobFunction:
    """Return a job's function, with the modules of the reboot that may follow: an upgrade may replace their files."""
    if request.kind is JobKind.PROVISION or JobOption.REBOOT_IF_REQUIRED in request.options:
        job_function(JobKind.REBOOT)
        _imported("agent.worker.reboot_acts")
    return job_function(request.kind)


def _imported(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise HostError(missing_module(error)) from error


def _needs_root(kind: JobKind) -> str:
    without = "" if kind.needs_root(refresh=False) else "; `--no-refresh` uses the package lists as they are"
    return f"{kind.command} needs root (`sudo maestro-agent {kind.command}`){without}"


def _ask_to_stop(child: int, progress: Progress) -> None:
    progress("stopping at the next safe point; the running transaction is finished first")
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGTERM)


def _be_job(request: JobRequest, descriptor: int) -> None:
    """Be the child: never returns. A command that is gone, stopped or cannot print holds up no job that has locks."""
    lines = LineSender(descriptor)
    try:
        os.setsid()
        control = JobControl(progress=lambda message: lines.progress(encode_progress(message)), stop=stop_on_signal())
        try:
            answer = run_in_process(request, control)
        except AgentError as error:
            answer = JobAnswer(exit_code=error.exit_code, error=str(error))
        lines.answer(encode_answer(answer))
    except BaseException as error:  # noqa: BLE001 - the child's boundary: it must never return into its parent
        with suppress(OSError, ValueError):  # standard error may be gone; the answer is still sent
            print(redact(traceback.format_exc()), file=sys.stderr)
        message = f"internal error, please report it with the traceback above: {error}"
        lines.answer(encode_answer(JobAnswer(exit_code=ExitCode.FAILED, error=message)))
    finally:
        os._exit(0)


def _recorded(function: JobFunction, request: JobRequest, control: JobControl, record: Record) -> JobAnswer:
    """Run a job, and record its start and its end."""
    store, name = record.store, request.kind.value
    before = job_entry(store, name)
    record_job_start(store, name, utc_now(), request.requested_by)
    run_id = record.new_run_id(utc_now()) if request.kind.in_history else ""
    report = JobReport(request, run_id)
    exit_code: int = ExitCode.FAILED
    refused = False
    try:
        answer = function(request, open_context(request, report.watch(control), record, run_id))
        exit_code = answer.exit_code
        report.answered(answer)
    except AgentError as error:
        exit_code = error.exit_code
        refused = isinstance(error, NothingDoneError)
        report.failed(error)
        answer = JobAnswer(exit_code=exit_code, error=str(error), nothing_done=refused)
    finally:
        report.end()
        with suppress(HostError):  # the disk may be full by now; the answer must still be given
            if refused:
                restore_job(store, name, utc_now(), before)
            else:
                record_job_end(store, name, utc_now(), exit_code, whole=not request.packages)
    return replace(answer, recorded=True)


def _notify(store: Store, request: JobRequest) -> None:
    """Run the notification hooks; whatever goes wrong there, the job has its result."""
    try:
        run = next(iter(store.run_ids()), "") if request.kind.in_history else ""
        notify_person(store, request.kind.value, run)
    except Exception:  # noqa: BLE001 - as said
        log.exception(log.LogEvent.NOTIFY_BUG, job=request.kind.value)


def _acquire_job_lock(stack: ExitStack, request: JobRequest, store: Store, control: JobControl) -> None:
    """Hold the job lock until the stack unwinds; with `wait`, wait for another job to end first.

    Raises:
        BusyError: another job runs. StoppedError: asked to stop while waiting.
    """
    while True:
        try:
            stack.enter_context(job_lock(store))
        except BusyError:
            running = describe_running(store)
            if not request.wait:
                raise BusyError(f"{running}; nothing was changed. `--wait` waits for it") from None
            if reason := control.stop():
                raise StoppedError(f"{reason}: stopped while waiting, {running}") from None
            control.progress(f"waiting: {running}")
            control.alive()
            time.sleep(_LOCK_POLL_S)
        else:
            return
