"""One request in, progress lines and an answer out. The job may run in a process that outlives whoever asked.

A detached job has a session of its own: a closed terminal or a killed caller does not end it, it finishes and
records. SIGTERM and SIGINT ask it to stop at the next point where nothing is half done.
"""

import os
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from agent.config.load import load
from agent.core.model.facts import ListsState
from agent.core.model.outcome import Result
from agent.core.ports import Progress, StopReason
from agent.errors import AgentError, BusyError, ChangedError, ExitCode, HostError, PrivilegeError, StoppedError
from agent.host import log
from agent.host.apt.engine import AptEngine
from agent.host.apt.prefetch import AptChangelogs
from agent.host.machine.local import LocalMachine
from agent.host.machine.os_release import read_distro
from agent.host.machine.user import is_root
from agent.host.process.deadline import stop_after
from agent.state.documents import explanation_document, outcome_document, plan_document
from agent.state.job_status import describe_running, record_job_end, record_job_start
from agent.state.record import Record
from agent.state.store import Store
from agent.worker.context import JobContext
from agent.worker.jobs import jobs
from agent.worker.protocol import JobAnswer, JobRequest, Verb, decode_line, encode_answer, encode_progress

_EXIT = {
    Result.UP_TO_DATE: ExitCode.OK,
    Result.UPDATED: ExitCode.OK,
    Result.DEGRADED: ExitCode.ATTENTION,
    Result.FAILED: ExitCode.FAILED,
    Result.INTERRUPTED: ExitCode.FAILED,
    Result.BUSY: ExitCode.BUSY,
    Result.STALE: ExitCode.STALE,
}
_TURN_S = 1.0
"""How often it is looked whether another job has ended."""


def run_inline(request: JobRequest, tell: Progress) -> JobAnswer:
    """Do a job that changes no package in this process; the first signal asks it to stop."""
    return run_in_process(request, tell, stop_on_signal())


def run_in_process(request: JobRequest, tell: Progress, stop: StopReason) -> JobAnswer:
    """Do a job in this process.

    Raises:
        AgentError: what kept the job from beginning, or from an answer.
    """
    log.set_up()
    verbs = {Verb.CHECK: _check, Verb.UPGRADE: _upgrade, Verb.EXPLAIN: _explain}
    return verbs[request.verb](request, tell, stop)


def run_forked(request: JobRequest, tell: Progress) -> JobAnswer:
    """Do a job in a child with a session of its own and wait for its answer; signals are passed on to it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_job(request, writing)
    os.close(writing)
    # SIGHUP is left as it is: a closed terminal ends this process, and the job goes on without it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: _ask_to_stop(child, tell))
    answer = JobAnswer(
        exit_code=ExitCode.FAILED,
        error="the job ended without an answer; `maestro-agent history` tells how far it came",
    )
    with os.fdopen(reading, encoding="utf-8") as lines:
        for line in lines:
            said = decode_line(line)
            if isinstance(said, JobAnswer):
                answer = said
            else:
                tell(said)
    os.waitpid(child, 0)
    return answer


def stop_on_signal() -> StopReason:
    """Take SIGINT and SIGTERM as a wish to stop from now on."""
    reason = ""

    def remember(_number: int, _frame: object) -> None:
        nonlocal reason
        reason = "asked to"

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, remember)
    return lambda: reason


def _ask_to_stop(child: int, tell: Progress) -> None:
    tell("stopping when nothing is half done; what is being installed is finished first")
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGTERM)


def _be_job(request: JobRequest, descriptor: int) -> None:
    """Be the child: never returns."""

    def send(line: bytes) -> None:
        with suppress(BrokenPipeError):  # whoever asked has gone; the work goes on
            _write_all(descriptor, line)

    try:
        os.setsid()
        try:
            answer = run_in_process(request, lambda message: send(encode_progress(message)), stop_on_signal())
        except AgentError as error:
            answer = JobAnswer(exit_code=error.exit_code, error=str(error))
        send(encode_answer(answer))
    except BaseException as error:  # noqa: BLE001 - the child's own boundary: it must never return into its parent
        traceback.print_exc()
        words = f"internal error, please report it with the traceback above: {error}"
        send(encode_answer(JobAnswer(exit_code=ExitCode.FAILED, error=words)))
    finally:
        os._exit(0)


def _write_all(descriptor: int, data: bytes) -> None:
    """Write to a pipe to the end: a signal may cut a long write short."""
    while data:
        data = data[os.write(descriptor, data) :]


def _context(request: JobRequest, tell: Progress, stop: StopReason, memory: Record, run_id: str) -> JobContext:
    policy, _ = load(request.config, read_distro())
    limit = policy.apt.run_timeout
    stop = stop_after(limit, stop, f"out of time after {limit.total_seconds():.0f} s (apt.run_timeout)")
    log_path, ledger = Path(memory.store.log_path(run_id)), Path(memory.store.ledger_path)
    engine = AptEngine(policy, log=log_path, ledger=ledger, tell=tell, stop=stop)
    changelogs = AptChangelogs(policy, scratch=Path(memory.store.directory, "ahead"), tell=tell, stop=stop)
    return JobContext(
        policy=policy,
        engine=engine,
        changelogs=changelogs,
        machine=LocalMachine(),
        record=memory,
        tell=tell,
        stop=stop,
    )


def _alone(request: JobRequest, tell: Progress, stop: StopReason, work: Callable[[Record], JobAnswer]) -> JobAnswer:
    """Do a job while no other runs, and put on record that it began and how it ended."""
    memory = Record(Store(request.state_dir))
    if memory.problem:
        raise HostError(f"{memory.problem}, and no change is made without a record")
    store, name, exit_code = memory.store, request.verb.value, int(ExitCode.FAILED)
    with ExitStack() as stack:
        _take_turn(stack, request, store, tell, stop)
        record_job_start(store, name, LocalMachine().now(), request.requested_by)
        try:
            answer = work(memory)
            exit_code = answer.exit_code
        except AgentError as error:
            exit_code = error.exit_code
            raise
        finally:
            with suppress(HostError):  # the disk may be full by now; the answer must still be given
                record_job_end(store, name, LocalMachine().now(), exit_code)
    return answer


def _take_turn(stack: ExitStack, request: JobRequest, store: Store, tell: Progress, stop: StopReason) -> None:
    """Be the one job of this machine until the stack unwinds, after another if the request says so."""
    while True:
        try:
            stack.enter_context(store.exclusive())
        except BusyError:
            running = describe_running(store)
            if not request.wait:
                raise BusyError(f"{running}; nothing was changed. `--wait` waits for it") from None
            if reason := stop():
                raise StoppedError(f"{reason}: stopped while waiting, {running}") from None
            tell(f"waiting: {running}")
            time.sleep(_TURN_S)
        else:
            return


def _check(request: JobRequest, tell: Progress, stop: StopReason) -> JobAnswer:
    if not request.refresh:
        return _looked(request, tell, stop, Record(Store(request.state_dir)))
    if not is_root():
        raise PrivilegeError("fetching the package lists needs root; `--no-refresh` looks at them as they are")
    return _alone(request, tell, stop, lambda memory: _looked(request, tell, stop, memory))


def _looked(request: JobRequest, tell: Progress, stop: StopReason, memory: Record) -> JobAnswer:
    context = _context(request, tell, stop, memory, "")
    plan = jobs.check(context, request.scope, refresh=request.refresh, remember=request.remember)
    if request.plan_id is not None and plan.id != request.plan_id:
        raise ChangedError(f"the plan is {plan.id} now, not {request.plan_id}: the machine has changed since")
    code = 10 if plan.install or plan.held or plan.repair else 0 if plan.lists.state is ListsState.FRESH else 3
    problem = context.record.problem if request.remember else ""
    document = plan_document(plan, context.machine.now(), context.record.findings())
    return JobAnswer(exit_code=code, document=document, error=problem)


def _upgrade(request: JobRequest, tell: Progress, stop: StopReason) -> JobAnswer:
    if not is_root():
        raise PrivilegeError("upgrading packages needs root (`sudo maestro-agent upgrade`)")
    return _alone(request, tell, stop, lambda memory: _upgraded(request, tell, stop, memory))


def _upgraded(request: JobRequest, tell: Progress, stop: StopReason, memory: Record) -> JobAnswer:
    run_id = memory.new_run_id(LocalMachine().now())
    context = _context(request, tell, stop, memory, run_id)
    outcome = jobs.upgrade(context, request.scope, run_id=run_id, refresh=request.refresh, plan_id=request.plan_id)
    document = outcome_document(outcome, context.machine.now(), memory.findings())
    return JobAnswer(exit_code=_EXIT[outcome.result], document=document)


def _explain(request: JobRequest, tell: Progress, stop: StopReason) -> JobAnswer:
    context = _context(request, tell, stop, Record(Store(request.state_dir)), "")
    explanation = jobs.explain(context, request.package)
    document = explanation_document(explanation, context.machine.now(), context.record.findings())
    return JobAnswer(exit_code=ExitCode.OK, document=document)
