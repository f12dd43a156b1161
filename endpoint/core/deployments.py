"""Deployments and their requests: how far each has come, and how many may be in flight. Pure; times in Unix seconds."""

from dataclasses import dataclass, replace
from enum import Enum


class RequestStatus(Enum):
    """How far a request has come."""

    WAITING_SIGNATURE = "waiting-signature"
    QUEUED = "queued"
    DELIVERED = "delivered"
    """It was in a response; the host may or may not have received that."""
    RECEIVED = "received"
    ACCEPTED = "accepted"
    """The host will carry it out: now, or in its maintenance window."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


IN_FLIGHT = frozenset({RequestStatus.DELIVERED, RequestStatus.RECEIVED, RequestStatus.ACCEPTED, RequestStatus.RUNNING})
ENDED = frozenset(
    {
        *(RequestStatus.DONE, RequestStatus.FAILED, RequestStatus.REFUSED),
        *(RequestStatus.EXPIRED, RequestStatus.CANCELLED),
    }
)
UNSENT = frozenset({RequestStatus.WAITING_SIGNATURE, RequestStatus.QUEUED})
DUPLICATE = "duplicate-id"
EARLIER_STEP = "earlier-step"
"""Why a request was cancelled that was to follow one that has failed."""
LEFT_OUT = frozenset({"not-allowed", "no-window", "not-in-plan"})
"""Refusals that stop no deployment: nothing was tried, and nothing is wrong with it. The host's configuration permits
no such request, or the host does not need what was requested."""


class DeploymentStatus(Enum):
    """Whether a deployment's requests are delivered."""

    ACTIVE = "active"
    STOPPED = "stopped"
    """Too many have failed; only a person resumes it."""
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What decides whether another request of a deployment is delivered."""

    id: str
    status: DeploymentStatus
    at_once: int
    stop_after: int
    expires_s: float
    in_flight: int = 0
    failures: int = 0
    """Since it was created or resumed."""

    def may_deliver(self, now_s: float) -> bool:
        """Return whether one more request may be delivered."""
        return self.status is DeploymentStatus.ACTIVE and self.in_flight < self.at_once and now_s < self.expires_s

    def counted(self, request: "QueuedRequest", after: RequestStatus, why: str | None) -> "Deployment":
        """Return the deployment after one of its requests has changed; it stops with the last permitted failure.

        Whatever a host reports takes back the failure that was assumed of it. Once that has stopped the deployment, it
        stays so: only a person resumes it.
        """
        before = request.status
        failures = max(0, self.failures - request.failed_by_assumption) + is_failure(request, after, why)
        stops = self.status is DeploymentStatus.ACTIVE and failures >= self.stop_after
        return replace(
            self,
            in_flight=self.in_flight - (before in IN_FLIGHT) + (after in IN_FLIGHT),
            failures=failures,
            status=DeploymentStatus.STOPPED if stops else self.status,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRequest:
    """A request as it is stored, without its document."""

    id: str
    deployment: str
    host_id: str
    status: RequestStatus
    step: int = 1
    """Which step of the deployment it is: on its host each one begins after the one before has ended."""
    host_step: RequestStatus | None = None
    """The last step that an event of the host reported."""
    cancelling: bool = False
    """A person has cancelled it, and the cancellation is sent to its host."""
    delivered_s: float = 0.0
    """When it was in a response, as far as that is recorded: the first time, and each time that its end was overdue."""
    changed_s: float = 0.0
    """When its status changed."""

    @property
    def failed_by_assumption(self) -> bool:
        """Return whether its end was assumed, and counted as a failure: it had been delivered and was still wanted.

        A host that has reported an end reports nothing more.
        """
        was_with_host = self.delivered_s > 0 or self.host_step is not None
        return self.status is RequestStatus.EXPIRED and was_with_host and not self.cancelling


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStep:
    """What an event of a host says about a request."""

    request_id: str
    host_id: str
    """The host that sent the event."""
    status: RequestStatus
    why: str | None = None
    detail: str | None = None
    run: str | None = None
    signed_by: str | None = None


_ORDER = {
    RequestStatus.RECEIVED: 1,
    RequestStatus.ACCEPTED: 2,
    RequestStatus.RUNNING: 3,
    **dict.fromkeys(ENDED, 4),
}


def is_failure(request: QueuedRequest, after: RequestStatus, why: str | None) -> bool:
    """Return whether a change counts as a failure of its deployment.

    A request that expires was a failure only if it had been delivered: else no host has done anything. One that a
    person has cancelled may be refused for just that: its host finds that the endpoint no longer has it.
    """
    if after is RequestStatus.FAILED:
        return True
    if request.cancelling:
        return False
    if after is RequestStatus.REFUSED:
        return why not in LEFT_OUT
    return after is RequestStatus.EXPIRED and (request.status in IN_FLIGHT or request.failed_by_assumption)


def goes_on(after: RequestStatus, why: str | None) -> bool:
    """Return whether the later steps of a host begin after a request has ended so: not after a failure."""
    return after is RequestStatus.DONE or (after is RequestStatus.REFUSED and why in LEFT_OUT)


def advances(request: QueuedRequest, step: RequestStep) -> bool:
    """Return whether a host's event changes a request: it is the host's own, and later than what is known.

    Events may arrive in another order than they happened. An end that the host reported stays; one that the endpoint
    assumed, because nothing had arrived, does not.
    """
    if request.host_id != step.host_id:
        return False
    if step.why == DUPLICATE:
        return False  # of another request under the id that the host has: the events of that one say how it ends
    return _ORDER[step.status] > (_ORDER[request.host_step] if request.host_step is not None else 0)
