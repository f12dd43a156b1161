"""What `status` says of the listeners: the centre, and others that may be on beside it. Pure and light."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from agent.reading import Reader
from agent.times import ago

_LISTENERS = ("centre", "textfile", "otlp")
_LONG = timedelta(hours=1)
"""How long a listener may be unreachable before a person should know."""


def reporting_part(telling: Reader | None) -> dict[str, object] | None:
    """Return the `reporting` of the status: each listener that is on; null where none is known to be."""
    listeners = telling.maybe_part("listeners") if telling else None
    if listeners is None:
        return None
    found = {name: listeners.maybe_part(name) for name in _LISTENERS}
    return {name: dict(part.raw) if part else None for name, part in found.items()}


def reporting_reasons(telling: Reader | None, now: datetime) -> list[str]:
    """Say which listeners have not been reached for long, and why."""
    reasons = []
    for name, part in _on(telling):
        since = part.maybe_moment("failing_since")
        if since is not None and now - since > _LONG:
            long = ago(since, now).removesuffix(" ago")
            reasons.append(f"no report has reached the {name} for {long}: {part.text('why')}")
    return reasons


def reporting_lines(reporting: Reader | None, now: datetime) -> list[str]:
    """Render the part for a person."""
    lines = []
    for name in _LISTENERS if reporting else ():
        part = reporting.maybe_part(name) if reporting else None
        if part is None:
            continue
        told = part.maybe_moment("last_success_at")
        words = f"told {ago(told, now)}" if told else "not told yet"
        failing = part.maybe_moment("failing_since")
        if failing is not None:
            words += f", failing for {ago(failing, now).removesuffix(' ago')}: {part.text('why')}"
        waiting = int(part.number("depth"))
        words += f"; {waiting} event{'s' if waiting > 1 else ''} wait{'' if waiting > 1 else 's'}" if waiting else ""
        lines.append(f"{name.capitalize():12} {words}")
    return lines


def _on(telling: Reader | None) -> Sequence[tuple[str, Reader]]:
    listeners = telling.maybe_part("listeners") if telling else None
    return [(name, part) for name in _LISTENERS if listeners and (part := listeners.maybe_part(name)) is not None]
