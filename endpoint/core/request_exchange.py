"""Decides what a contact of hosts changes in their requests, and which requests the receipts carry. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from endpoint.core.deployments import (
    ENDED,
    IN_FLIGHT,
    UNSENT,
    Deployment,
    DeploymentStatus,
    QueuedRequest,
    RequestStatus,
    RequestStep,
    advances,
    goes_on,
)

MAX_REQUESTS = 20
"""In one receipt."""
MAX_CANCELLED = 100
_GRACE_S = 3600.0
"""After a request was sent again once it had expired, until the endpoint assumes that its host did not start."""
_LOST_S = 7 * 86400.0
"""The same for a host that does not report any more, from the expiry."""
SILENCE_S = 3600.0
"""Of a host about a request, until it gets that again, and answers with how far it has come: an endpoint that was
restored from a backup does not have the events that it had acknowledged since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeView:
    """The stored requests that a contact may touch."""

    requests: tuple[QueuedRequest, ...]
    """The oldest first: the open ones of `hosts`, those whose cancellation they have not confirmed, and those that
    `steps` name."""
    deployments: Mapping[str, Deployment]
    hosts: frozenset[str]
    """Those that take requests in the response to this contact."""
    steps: tuple[RequestStep, ...] = ()
    now_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestChange:
    """A request as it is from now on."""

    request: QueuedRequest
    step: RequestStep | None = None
    """The host's event; None: the endpoint delivers or ends it, or a person cancels it."""
    again: bool = False
    """Only `delivered_s` changes: it was sent again."""

    @property
    def ends_later_steps(self) -> bool:
        """Return whether what was to follow on the same host does not begin any more."""
        why = self.step.why if self.step is not None else None
        return self.request.status in ENDED and not goes_on(self.request.status, why)


@dataclass(slots=True, kw_only=True)
class Exchange:
    """What must be stored, and then be in the receipts."""

    requests: list[RequestChange] = field(default_factory=list)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    deliver: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Ids of requests by host."""
    cancelled: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def changes(self) -> bool:
        """Return whether anything must be stored."""
        return bool(self.requests)


def exchange(view: ExchangeView) -> Exchange:
    """Apply the hosts' events, then choose what is delivered."""
    made = Exchange()
    requests = {request.id: request for request in view.requests}
    for step in view.steps:
        request = requests.get(step.request_id)
        if request is not None and advances(request, step):
            changed = replace(request, status=step.status, host_step=step.status, changed_s=view.now_s)
            _change(made, view, request, RequestChange(request=changed, step=step))
            requests[request.id] = changed
    for request in requests.values():
        if request.host_id in view.hosts and not _waits_for_earlier_step(made, request, requests):
            _deliver(made, view, request)
    return made


def _deliver(made: Exchange, view: ExchangeView, request: QueuedRequest) -> None:
    deployment = made.deployments.get(request.deployment, view.deployments[request.deployment])
    delivered, cancelled = made.deliver[request.host_id], made.cancelled[request.host_id]
    if _is_recalled(request, deployment, view.now_s):
        if len(cancelled) < MAX_CANCELLED:
            cancelled.append(request.id)
            _note(made, view, request)
    elif len(delivered) < MAX_REQUESTS:
        if request.status in IN_FLIGHT and _is_sent_again(request, deployment, view.now_s):
            delivered.append(request.id)
            _note(made, view, request)
        elif request.status is RequestStatus.QUEUED and deployment.may_deliver(view.now_s):
            changed = replace(request, status=RequestStatus.DELIVERED, delivered_s=view.now_s)
            _change(made, view, request, RequestChange(request=changed))
            delivered.append(request.id)


def _is_recalled(request: QueuedRequest, deployment: Deployment, now_s: float) -> bool:
    """Return whether a host gets the cancellation of its request: until it has reported an end.

    One that was never sent is among them, up to its expiry: an endpoint that was restored from a backup has forgotten
    what it sent since.
    """
    waits = request.status is RequestStatus.CANCELLED and request.host_step is not RequestStatus.CANCELLED
    return request.cancelling and (request.status in IN_FLIGHT or (waits and now_s < deployment.expires_s))


def _waits_for_earlier_step(made: Exchange, request: QueuedRequest, requests: Mapping[str, QueuedRequest]) -> bool:
    """Return whether the view has an earlier step of the same deployment on the same host that this one waits for.

    One that fails in this very exchange is there, too, and ends those behind it as it is stored; one that ends without
    a failure is not waited for.
    """
    if request.status is not RequestStatus.QUEUED or request.step == 1:
        return False
    over = {one.request.id for one in made.requests if one.request.status in ENDED and not one.ends_later_steps}
    return any(
        other.deployment == request.deployment
        and other.host_id == request.host_id
        and other.step < request.step
        and other.status is not RequestStatus.DONE
        and other.id not in over
        for other in requests.values()
    )


def _is_sent_again(request: QueuedRequest, deployment: Deployment, now_s: float) -> bool:
    if request.status is RequestStatus.DELIVERED:
        # The response may have been lost. A stopped deployment starts nothing more, not even that.
        return deployment.status is DeploymentStatus.ACTIVE
    return now_s - max(request.delivered_s, request.changed_s) >= SILENCE_S


def _note(made: Exchange, view: ExchangeView, request: QueuedRequest) -> None:
    """Record that a request was sent again; of one that is sent at each contact the first time after it has expired."""
    expires_s = view.deployments[request.deployment].expires_s
    at_each = request.cancelling or request.status is RequestStatus.DELIVERED
    if not at_each or request.delivered_s < expires_s <= view.now_s:
        _change(made, view, request, RequestChange(request=replace(request, delivered_s=view.now_s), again=True))


def _change(made: Exchange, view: ExchangeView, before: QueuedRequest, change: RequestChange) -> None:
    of = before.deployment
    deployment = made.deployments.get(of, view.deployments[of])
    why = change.step.why if change.step is not None else None
    made.deployments[of] = deployment.counted(before, change.request.status, why)
    made.requests.append(change)


def expire(deployment: Deployment, requests: tuple[QueuedRequest, ...], now_s: float) -> Exchange:
    """Return what ends because a deployment has expired.

    A running request does not: its host reports the end, or a person cancels it. Nor does anything that was delivered,
    before its host had the time to answer to another delivery, or is lost.
    """
    view = ExchangeView(requests=requests, deployments={deployment.id: deployment}, hosts=frozenset(), now_s=now_s)
    made = Exchange()
    for request in requests:
        again = request.delivered_s >= deployment.expires_s
        late = now_s >= (request.delivered_s + _GRACE_S if again else deployment.expires_s + _LOST_S)
        waits = request.status in IN_FLIGHT and request.status is not RequestStatus.RUNNING
        if now_s >= deployment.expires_s and (request.status in UNSENT or (waits and late)):
            _change(made, view, request, RequestChange(request=replace(request, status=RequestStatus.EXPIRED)))
    return made


def cancel(
    deployment: Deployment, requests: tuple[QueuedRequest, ...], now_s: float, *, lost: bool = False
) -> Exchange:
    """Return what changes if a person cancels these requests of a deployment.

    A host that may have its request gets the cancellation, and says how it ended. Of one that was not sent, after the
    expiry, or if the person gives the host up as `lost`, the person's word ends it; the host gets it all the same.
    """
    view = ExchangeView(requests=requests, deployments={deployment.id: deployment}, hosts=frozenset(), now_s=now_s)
    made = Exchange()
    for request in requests:
        ends = lost or now_s >= deployment.expires_s
        if request.status in UNSENT or (request.status in IN_FLIGHT and ends):
            ended = replace(request, status=RequestStatus.CANCELLED, cancelling=True)
            _change(made, view, request, RequestChange(request=ended))
        elif request.status in IN_FLIGHT and not request.cancelling:
            _change(made, view, request, RequestChange(request=replace(request, cancelling=True)))
    return made
