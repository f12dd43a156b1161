"""A pulse (`agent.core.schedule.exports`) as documents keep it. Pure."""

from agent.core.schedule.exports import ExportState
from agent.state.timestamps import format_utc, parse_utc_or_none


def export_state_from_document(found: object) -> ExportState:
    """Read what `export_state_to_document` wrote; what is no pulse is one that never beat."""
    if not isinstance(found, dict):
        return ExportState()
    failures = found.get("failures")
    return ExportState(
        last=parse_utc_or_none(found.get("last")),
        failures=failures if isinstance(failures, int) else 0,
        not_before=parse_utc_or_none(found.get("not_before")),
    )


def export_state_to_document(pulse: ExportState) -> dict[str, object]:
    """Write a pulse."""
    return {
        "last": format_utc(pulse.last) if pulse.last else None,
        "failures": pulse.failures,
        "not_before": format_utc(pulse.not_before) if pulse.not_before else None,
    }
