"""What `status` says of the listeners: the centre, and others that may be on beside it. Pure and light."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from agent.state.exporter_status import CLOCK_SKEW_TOLERANCE, ExporterName
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_age, format_human

_LONG = timedelta(hours=1)
"""How long a listener may be unreachable before a person should know."""


def exporters_section(telling: JsonReader | None) -> dict[str, object] | None:
    """Return the `reporting` of the status: each listener that is on; null where none is known to be."""
    listeners = telling.optional_child("exporters") if telling else None
    if listeners is None:
        return None
    found = {one.value: listeners.optional_child(one.value) for one in ExporterName}
    return {name: dict(part.raw) if part else None for name, part in found.items()}


def exporter_reasons(telling: JsonReader | None, now: datetime) -> list[str]:
    """Say which listeners have not been reached for long, and why."""
    reasons = []
    for one, part in _on(telling):
        since = part.optional_time("failing_since")
        if since is not None and now - since > _LONG:
            told = part.optional_time("last_success_at")
            what = "no event" if told is not None and told > since else "no report"
            # Not how long: a report goes out anew whenever its words are others.
            reasons.append(f"{what} has reached {one.words} since {format_human(since)}: {part.text('why')}")
    return reasons


def exporter_lines(reporting: JsonReader | None, now: datetime) -> list[str]:
    """Render the part for a person."""
    lines = []
    for one in ExporterName if reporting else ():
        part = reporting.optional_child(one.value) if reporting else None
        if part is None:
            continue
        told = part.optional_time("last_success_at")
        words = f"told {format_age(told, now)}" if told else "not told yet"
        failing = part.optional_time("failing_since")
        if failing is not None:
            words += f", failing for {format_age(failing, now).removesuffix(' ago')}: {part.text('why')}"
        waiting = _count(part, "depth")
        words += f"; {waiting} event{'s' if waiting > 1 else ''} wait{'' if waiting > 1 else 's'}" if waiting else ""
        words += "".join(_lost(part)) + _skew(part)
        lines.append(f"{one.label:12} {words}")
    return lines


def _lost(part: JsonReader) -> list[str]:
    """Say what will never arrive there."""
    found = []
    for field, words in (
        ("dropped", "given up"),
        ("refused", "refused"),
        ("points_refused", "numbers refused"),
    ):
        count = _count(part, field)
        found += [f"; {count} {words}"] if count else []
    return found


def _count(part: JsonReader, field: str) -> int:
    """Return a count; 0 where it is not known, which is then not spoken of."""
    return 0 if part.raw.get(field) is None else int(part.number(field))


def _skew(part: JsonReader) -> str:
    """Say so where the clocks are too far apart for moments to be compared."""
    skew = timedelta(seconds=_count(part, "skew_s"))
    if abs(skew) <= CLOCK_SKEW_TOLERANCE:
        return ""
    return f"; this machine's clock is {abs(skew).total_seconds():.0f} s {'ahead' if skew > timedelta(0) else 'behind'}"


def _on(telling: JsonReader | None) -> Sequence[tuple[ExporterName, JsonReader]]:
    listeners = telling.optional_child("exporters") if telling else None
    return [
        (one, part) for one in ExporterName if listeners and (part := listeners.optional_child(one.value)) is not None
    ]
