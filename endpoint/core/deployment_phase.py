"""How far a whole deployment has come, in one word. Pure."""

from collections.abc import Mapping
from enum import Enum

from endpoint.core.deployments import ENDED, IN_FLIGHT, DeploymentStatus, RequestStatus


class DeploymentPhase(Enum):
    """What a person wants to know first."""

    WAITING_SIGNATURE = "waiting-signature"
    """No request is under way, and some wait for a signature."""
    QUEUED = "queued"
    """No host has got its request yet."""
    RUNNING = "running"
    """Some hosts have got their request, and not all have ended."""
    STOPPED = "stopped"
    """Too many have failed."""
    CANCELLING = "cancelling"
    """A person has cancelled it; hosts that had their request have not ended yet."""
    DONE = "done"
    """All hosts have done it."""
    FAILED = "failed"
    """It has ended, and on some host it has failed, or was refused, or the host was not heard of in time."""
    CANCELLED = "cancelled"
    """It has ended, a person has cancelled some of it, and nothing has failed."""


_UNWELL = (RequestStatus.FAILED, RequestStatus.REFUSED, RequestStatus.EXPIRED)


def phase_of(status: DeploymentStatus, counts: Mapping[RequestStatus, int]) -> DeploymentPhase:
    """Return the phase of a deployment with so many requests by status."""
    found = {one for one, count in counts.items() if count}
    if found <= ENDED:
        return _ending(found)
    if status is DeploymentStatus.CANCELLED:
        return DeploymentPhase.CANCELLING
    if status is DeploymentStatus.STOPPED:
        return DeploymentPhase.STOPPED
    if found & IN_FLIGHT:
        return DeploymentPhase.RUNNING
    if RequestStatus.WAITING_SIGNATURE in found:
        return DeploymentPhase.WAITING_SIGNATURE
    return DeploymentPhase.RUNNING if found & ENDED else DeploymentPhase.QUEUED


def _ending(found: set[RequestStatus]) -> DeploymentPhase:
    if not found.isdisjoint(_UNWELL):
        return DeploymentPhase.FAILED
    return DeploymentPhase.CANCELLED if RequestStatus.CANCELLED in found else DeploymentPhase.DONE
