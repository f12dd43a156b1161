"""Reads what a host's events say about requests. Pure; the events have passed their schema, their text is untrusted."""

from endpoint.core.deployments import RequestStatus, RequestStep
from endpoint.core.messages import Message
from endpoint.core.text import clean

_PREFIX = "request-"
_STEPS = {
    _PREFIX + status.value: status
    for status in (
        *(RequestStatus.RECEIVED, RequestStatus.ACCEPTED, RequestStatus.RUNNING, RequestStatus.DONE),
        *(RequestStatus.FAILED, RequestStatus.REFUSED, RequestStatus.EXPIRED, RequestStatus.CANCELLED),
    )
}
_MAX_WHY, _MAX_DETAIL, _MAX_NAME = 64, 1024, 256


def read_step(host_id: str, event: Message) -> RequestStep | None:
    """Return the step that an event of this host reports; None: it is about something else."""
    status = _STEPS.get(event.type)
    if status is None:
        return None
    found = event.document
    return RequestStep(
        request_id=str(found["request_id"]),
        host_id=host_id,
        status=status,
        why=_text(found["why"], _MAX_WHY),
        detail=_text(found["detail"], _MAX_DETAIL),
        run=_text(found["run"], _MAX_NAME),
        signed_by=_text(found["signed_by"], _MAX_NAME),
    )


def _text(value: object, most: int) -> str | None:
    return None if value is None else clean(str(value), most)
