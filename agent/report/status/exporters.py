"""What `status` shows of the exporters: endpoint, prometheus, otlp. Pure and light."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from agent.core.clock import ENDPOINT_SKEW_TOLERANCE
from agent.core.exporters import ExporterName
from agent.report.layout import Line, Tone, field
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_age, format_human

_ATTENTION_AFTER = timedelta(hours=1)
"""How long an exporter may fail before `status` asks for attention."""
_LOST = {"dropped": "dropped", "refused": "rejected", "points_refused": "data points rejected"}


class ExporterView:
    """An exporter's entry in its status file (`agent.state.exporter_status`)."""

    def __init__(self, entry: JsonReader) -> None:
        """Read the entry.

        Raises:
            RecordError: it is malformed. OverflowError: the clock skew exceeds what a timedelta holds.
        """
        self.document = dict(entry.raw)
        self.last_success_at = entry.optional_time("last_success_at")
        self.failing_since = entry.optional_time("failing_since")
        self.why = entry.text("why") if self.failing_since else ""
        self.target = entry.optional_text("target") or ""
        """Where it sends to, or the file that it writes; empty in a file of an earlier version."""
        self.counts = {name: _count(entry, name) for name in ("depth", *_LOST)}
        """Zero for a count that is unknown: no line shows it."""
        self.skew = timedelta(seconds=_count(entry, "skew_s"))
        """How far this machine's clock is ahead of the endpoint's."""


def exporters_section(exporters: Mapping[ExporterName, ExporterView]) -> dict[str, object] | None:
    """Return the `reporting` of the status: every exporter with null for a disabled one; null if none is enabled."""
    if not exporters:
        return None
    return {one.value: exporters[one].document if one in exporters else None for one in ExporterName}


def exporter_reasons(exporters: Mapping[ExporterName, ExporterView], now: datetime) -> list[str]:
    """Return which exporters have failed for long, and why."""
    reasons = []
    for one, view in exporters.items():
        since, last = view.failing_since, view.last_success_at
        if since is not None and now - since > _ATTENTION_AFTER:
            what = "no event" if last is not None and since < last <= now else "no report"
            # The start and not the age: a changed text would make the report new at every check.
            reasons.append(f"{what} has reached {one.phrase} since {format_human(since)}: {view.why}")
    return reasons


def exporter_lines(exporters: Mapping[ExporterName, ExporterView], now: datetime, *, width: int) -> list[Line]:
    """Render each enabled exporter."""
    return [
        field(one.label, _exporter_line(view, now), width=width, tone=Tone.FAILED if view.failing_since else None)
        for one, view in exporters.items()
    ]


def _exporter_line(view: ExporterView, now: datetime) -> str:
    line = f"{view.target}  " if view.target else ""
    if view.failing_since is not None:
        line += f"failing since {format_human(view.failing_since)}: {view.why}; "
    line += f"last sent {format_age(view.last_success_at, now)}" if view.last_success_at else "no success on record"
    queued = view.counts["depth"]
    line += f", {queued} event{'s' if queued > 1 else ''} queued" if queued else ""
    lost = [f"; {view.counts[name]} {label}" for name, label in _LOST.items() if view.counts[name]]
    return line + "".join(lost) + _skew(view.skew)


def _count(entry: JsonReader, field: str) -> int:
    return 0 if entry.raw.get(field) is None else int(entry.number(field))


def _skew(skew: timedelta) -> str:
    """Return a clock skew beyond the tolerance: times of the two machines cannot be compared then."""
    if abs(skew) <= ENDPOINT_SKEW_TOLERANCE:
        return ""
    return f"; this machine's clock is {abs(skew).total_seconds():.0f} s {'ahead' if skew > timedelta(0) else 'behind'}"
