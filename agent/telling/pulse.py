"""A pulse (`agent.core.beat`) as documents keep it. Pure."""

from datetime import datetime

from agent.core.beat import Pulse
from agent.times import moment, parse_moment


def pulse_of(found: object) -> Pulse:
    """Read what `pulse_document` wrote; what is no pulse is one that never beat."""
    if not isinstance(found, dict):
        return Pulse()
    failures = found.get("failures")
    return Pulse(
        last=moment_of(found.get("last")),
        failures=failures if isinstance(failures, int) else 0,
        not_before=moment_of(found.get("not_before")),
    )


def pulse_document(pulse: Pulse) -> dict[str, object]:
    """Write a pulse."""
    return {
        "last": moment(pulse.last) if pulse.last else None,
        "failures": pulse.failures,
        "not_before": moment(pulse.not_before) if pulse.not_before else None,
    }


def moment_of(text: object) -> datetime | None:
    """Read a moment; None where there is none."""
    try:
        return parse_moment(text) if isinstance(text, str) else None
    except ValueError:
        return None
