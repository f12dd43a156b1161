"""Carries what an endpoint offers to the worker's socket. It verifies nothing: the worker does."""

import time
from collections.abc import Iterator

from agent.core.job_control import ignore
from agent.core.job_kinds import JobKind
from agent.core.redact import one_line
from agent.core.requests.model import RequestOffers
from agent.errors import SUCCESS_CODES, AgentError, ExitCode
from agent.state.job_status import REQUESTED_BY_SCHEDULE
from agent.state.store import DEFAULT_DIRECTORY
from agent.worker.client import SOCKET, request_job
from agent.worker.protocol import JobAnswer, JobRequest

_SILENCE_S = 45.0
"""For one request: the worker may ask the endpoint, or have ssh-keygen check a signature."""
_LIMIT_S = 30.0
"""After this nothing more is begun: the daemon kills an exporter that hangs. The endpoint offers the rest again."""


def carry_to_worker(offers: RequestOffers, socket: str = SOCKET) -> str:
    """Carry requests, cancellations first; return what went wrong, for the log. Never raises."""
    end = time.monotonic() + _LIMIT_S
    problems: list[str] = []
    for request in _jobs(offers):
        if time.monotonic() > end:
            problems.append("the rest of the requests is carried later")
            break
        answer = _carried(request, socket)
        if answer.exit_code not in SUCCESS_CODES:
            problems.append(one_line(answer.error))
    return "; ".join(dict.fromkeys(problems))


def _carried(request: JobRequest, socket: str) -> JobAnswer:
    try:
        return request_job(request, ignore, socket, silence_s=_SILENCE_S)
    except AgentError as error:
        return JobAnswer(exit_code=error.exit_code, error=str(error))
    except RecursionError:
        return JobAnswer(exit_code=ExitCode.USAGE, error="a request is nested too deeply")


def _jobs(offers: RequestOffers) -> Iterator[JobRequest]:
    if offers.cancelled:
        yield _job(cancelled=offers.cancelled)
    for document in offers.documents:
        yield _job(carried=document)


def _job(*, carried: dict[str, object] | None = None, cancelled: tuple[str, ...] = ()) -> JobRequest:
    return JobRequest(
        kind=JobKind.REQUEST,
        carried=carried,
        cancelled=cancelled,
        omit_document=True,
        requested_by=REQUESTED_BY_SCHEDULE,
        state_dir=DEFAULT_DIRECTORY,
    )
