"""`ExportState` (`agent.core.schedule.exports`) as documents have it. Pure."""

from agent.core.schedule.exports import ExportState
from agent.state.timestamps import format_utc, parse_utc_or_none


def export_state_from_document(found: object) -> ExportState:
    """Read what `export_state_to_document` wrote; the initial state where it is malformed."""
    if not isinstance(found, dict):
        return ExportState()
    failures = found.get("failures")
    return ExportState(
        last=parse_utc_or_none(found.get("last")),
        failures=failures if isinstance(failures, int) else 0,
        not_before=parse_utc_or_none(found.get("not_before")),
    )


def export_state_to_document(state: ExportState) -> dict[str, object]:
    """Return the JSON object."""
    return {
        "last": format_utc(state.last) if state.last else None,
        "failures": state.failures,
        "not_before": format_utc(state.not_before) if state.not_before else None,
    }
