"""`run-request`: carry out the next due request of the endpoint. What it asks for is a job like any other."""

import time
from collections.abc import Iterator, Mapping
from itertools import islice

from agent.core.job_kinds import JobKind, JobOption
from agent.core.redact import one_line
from agent.core.requests.ending import JobEnd
from agent.core.requests.judge import RequestRules
from agent.core.requests.model import Request, Verb
from agent.errors import ExitCode, RecordError
from agent.host import log
from agent.host.machine.local_zone import local_zone
from agent.state.reboot_record import RebootRecord
from agent.state.requests_record import RequestsRecord
from agent.state.store import Store
from agent.state.timestamps import utc_now
from agent.worker.context import JobContext
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.request_rules import request_rules
from agent.worker.send_report import send_report
from agent.worker.steps.requests.authenticate import rechecker
from agent.worker.steps.requests.desk import RequestDesk
from agent.worker.steps.requests.step_log import log_new_steps

_REPORT_LIMIT_S = 120.0
_BUSY_POLL_S = 2.0
_SEARCHED_RUNS = 100
"""Runs in which the work of a request is searched for, from the newest."""
_KINDS = {
    Verb.CHECK: JobKind.CHECK,
    Verb.UPGRADE_SECURITY: JobKind.UPGRADE,
    Verb.UPGRADE_FIXES: JobKind.UPGRADE,
    Verb.REBOOT_IF_REQUIRED: JobKind.REBOOT,
    Verb.APPLY_DOCKER: JobKind.DOCKER_UPGRADE,
    Verb.APPLY_WEAVE: JobKind.WEAVE_UPGRADE,
}


def run(request: JobRequest, context: JobContext) -> JobAnswer:
    """End the requests whose job was killed, then record the next one as running and answer with its job.

    Raises:
        HostError: this cannot be recorded, or no due one can be checked now, and no work is done.
        BusyError: another process holds the record.
    """
    store = context.record.store
    desk = RequestDesk(_record(store), request_rules(context.policy, store, local_zone()), context.machine.now)
    desk.settle(lambda request_id: list(runs_of(store, request_id)), reboots=RebootRecord(store).has_course())
    begun = desk.begin(rechecker(context.policy, context.control.alive))
    if begun is None:
        return JobAnswer(exit_code=ExitCode.OK)
    context.control.step(f"{begun.verb.value}, requested by {_name(begun)} through the endpoint")
    if begun.verb is Verb.SEND_REPORT:
        desk.finish(begun.id, _send_report(context))
        return JobAnswer(exit_code=ExitCode.OK)
    return JobAnswer(exit_code=ExitCode.OK, follow_up=job_of(begun, request))


def finish(store: Store, request_id: str, answer: JobAnswer) -> None:
    """Record how the job of a request ended; what cannot be recorded now is found in the history later.

    Raises:
        HostError: it cannot be recorded. BusyError: another process holds the record.
    """
    end = JobEnd(
        exit_code=answer.exit_code,
        document=answer.document,
        error=answer.error,
        nothing_done=answer.nothing_done,
    )
    rules = RequestRules(host_id="", allow=frozenset(), windows={}, local=local_zone())
    RequestDesk(_record(store), rules, utc_now).finish(request_id, end)


def job_of(request: Request, by: JobRequest) -> JobRequest:
    """Return the job that a request asks for: only names of packages, ids of CVEs and a plan's id come from it."""
    upgrades = request.verb in {Verb.UPGRADE_SECURITY, Verb.UPGRADE_FIXES}
    options = {JobOption.IF_REQUIRED} if request.verb is Verb.REBOOT_IF_REQUIRED else set()
    options |= {JobOption.REBOOT_IF_REQUIRED} if upgrades and request.reboot_if_required else set()
    return JobRequest(
        kind=_KINDS[request.verb],
        plan_id=request.plan_id,
        packages=request.fixes,
        options=frozenset(options),
        requested_by=f"request {request.id} by {_name(request)}",
        request_id=request.id,
        in_window=request.in_window,
        state_dir=by.state_dir,
    )


def runs_of(store: Store, request_id: str) -> Iterator[Mapping[str, object]]:
    """Yield the runs of the history that a request has caused, the oldest first."""
    found = []
    for run_id in islice(store.run_ids(), _SEARCHED_RUNS):
        try:
            run = store.read_run(run_id)
        except RecordError:
            continue
        if run is not None and str(run.raw.get("requested_by")).startswith(f"request {request_id} by "):
            found.append(run.raw)
    yield from reversed(found)


def _record(store: Store) -> RequestsRecord:
    return RequestsRecord(
        store, warn=lambda reason: log.event(log.LogEvent.RECORD_DAMAGED, error=reason), changed=log_new_steps
    )


def _name(request: Request) -> str:
    return one_line(request.requested_by)


def _send_report(context: JobContext) -> JobEnd:
    """Send, after the exporter that the daemon may run at this moment: the request that arrived is news to it."""
    end = time.monotonic() + _REPORT_LIMIT_S
    while True:
        done = send_report(context.record.store, limit_s=_REPORT_LIMIT_S, alive=context.control.alive)
        if done.code != ExitCode.BUSY or time.monotonic() > end:
            break
        context.control.alive()
        time.sleep(_BUSY_POLL_S)
    if done.code == 0:
        return JobEnd(exit_code=ExitCode.OK)
    return JobEnd(exit_code=ExitCode.FAILED, error=f"not every exporter has sent: {done.output}")
