"""Logs each step of a request."""

from agent.core.requests.model import RequestBook, RequestState
from agent.host import log


def log_new_steps(before: RequestBook, after: RequestBook) -> None:
    """Log what a change of the record has added."""
    known = {entry.id: len(entry.steps) for entry in before.entries}
    for entry in after.entries:
        for step in entry.steps[known.get(entry.id, 0) :]:
            refused = step.state is RequestState.REFUSED
            log.event(
                log.LogEvent.ENDPOINT_REQUEST_REFUSED if refused else log.LogEvent.ENDPOINT_REQUEST,
                request=entry.id,
                verb=entry.verb,
                state=step.state.value,
                requested_by=entry.requested_by,
                signed_by=entry.signed_by,
                why=step.why.value if step.why else "",
                detail=step.detail,
            )
