"""How the statuses of requests and the phases of deployments are shown."""

from collections.abc import Mapping

from endpoint.http.pages.looks import Look, Tone

_REQUEST_LOOKS: Mapping[str, Look] = {
    "waiting-signature": Look(label="Waits for a signature", tone=Tone.WARN),
    "queued": Look(label="Queued", tone=Tone.INFO),
    "delivered": Look(label="Sent", tone=Tone.INFO),
    "received": Look(label="Received", tone=Tone.INFO),
    "accepted": Look(label="Accepted", tone=Tone.INFO),
    "running": Look(label="Running", tone=Tone.INFO),
    "done": Look(label="Done", tone=Tone.GOOD),
    "failed": Look(label="Failed", tone=Tone.BAD),
    "refused": Look(label="Refused", tone=Tone.BAD),
    "expired": Look(label="Expired", tone=Tone.BAD),
    "cancelled": Look(label="Cancelled", tone=Tone.WARN),
}
_PHASE_LOOKS: Mapping[str, Look] = {
    "waiting-signature": Look(label="Waits for signatures", tone=Tone.WARN),
    "queued": Look(label="Queued", tone=Tone.INFO),
    "running": Look(label="Running", tone=Tone.INFO),
    "stopped": Look(label="Stopped", tone=Tone.BAD),
    "cancelling": Look(label="Cancelling", tone=Tone.WARN),
    "done": Look(label="Done", tone=Tone.GOOD),
    "failed": Look(label="Ended with failures", tone=Tone.BAD),
    "cancelled": Look(label="Cancelled", tone=Tone.WARN),
}


def request_look(status: str) -> Look:
    """Return how a request's status is shown; one without an entry by its name."""
    return _REQUEST_LOOKS.get(status) or Look(label=status, tone=Tone.MUTE)


def phase_look(phase: str) -> Look:
    """Return how a deployment's phase is shown; one without an entry by its name."""
    return _PHASE_LOOKS.get(phase) or Look(label=phase, tone=Tone.MUTE)
