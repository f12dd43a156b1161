"""A pulse (`agent.core.schedule.exports`) as documents keep it. Pure."""

from agent.core.schedule.exports import Pulse
from agent.state.timestamps import moment, read_moment


def pulse_of(found: object) -> Pulse:
    """Read what `pulse_document` wrote; what is no pulse is one that never beat."""
    if not isinstance(found, dict):
        return Pulse()
    failures = found.get("failures")
    return Pulse(
        last=read_moment(found.get("last")),
        failures=failures if isinstance(failures, int) else 0,
        not_before=read_moment(found.get("not_before")),
    )


def pulse_document(pulse: Pulse) -> dict[str, object]:
    """Write a pulse."""
    return {
        "last": moment(pulse.last) if pulse.last else None,
        "failures": pulse.failures,
        "not_before": moment(pulse.not_before) if pulse.not_before else None,
    }
