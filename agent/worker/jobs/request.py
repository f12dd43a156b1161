"""`request`: record a request of the endpoint, accepted or refused, or cancel some. Runs nothing, needs no job lock."""

from agent.errors import ExitCode
from agent.host import log
from agent.host.machine.local_zone import local_zone
from agent.state.requests_record import RequestsRecord
from agent.worker.context import JobContext
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.request_rules import request_rules
from agent.worker.steps.requests.authenticate import authenticator
from agent.worker.steps.requests.desk import RequestDesk
from agent.worker.steps.requests.step_log import log_new_steps


def run(request: JobRequest, context: JobContext) -> JobAnswer:
    """Record what was carried here.

    Raises:
        UsageError: it is no request. BusyError: another process holds the record for too long.
        HostError: who it is from cannot be found out now, or nothing can be recorded: it is to be carried again.
    """
    record = RequestsRecord(context.record.store, warn=_warn, changed=log_new_steps)
    desk = RequestDesk(record, request_rules(context.policy, context.record.store, local_zone()), context.machine.now)
    desk.cancel(request.cancelled)
    if request.carried is not None:
        desk.receive(request.carried, authenticator(context.policy, context.record.store.directory))
    return JobAnswer(exit_code=ExitCode.OK)


def _warn(reason: str) -> None:
    log.event(log.LogEvent.RECORD_DAMAGED, error=reason)
