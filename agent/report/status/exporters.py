"""What `status` says of the listeners: the centre, and others that may be on beside it. Pure and light."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from agent.state.exporter_status import SKEW, Listener
from agent.state.json_reader import Reader
from agent.state.timestamps import ago, spell

_LONG = timedelta(hours=1)
"""How long a listener may be unreachable before a person should know."""


def reporting_part(telling: Reader | None) -> dict[str, object] | None:
    """Return the `reporting` of the status: each listener that is on; null where none is known to be."""
    listeners = telling.maybe_part("listeners") if telling else None
    if listeners is None:
        return None
    found = {one.value: listeners.maybe_part(one.value) for one in Listener}
    return {name: dict(part.raw) if part else None for name, part in found.items()}


def reporting_reasons(telling: Reader | None, now: datetime) -> list[str]:
    """Say which listeners have not been reached for long, and why."""
    reasons = []
    for one, part in _on(telling):
        since = part.maybe_moment("failing_since")
        if since is not None and now - since > _LONG:
            told = part.maybe_moment("last_success_at")
            what = "no event" if told is not None and told > since else "no report"
            # Not how long: a report goes out anew whenever its words are others.
            reasons.append(f"{what} has reached {one.words} since {spell(since)}: {part.text('why')}")
    return reasons


def reporting_lines(reporting: Reader | None, now: datetime) -> list[str]:
    """Render the part for a person."""
    lines = []
    for one in Listener if reporting else ():
        part = reporting.maybe_part(one.value) if reporting else None
        if part is None:
            continue
        told = part.maybe_moment("last_success_at")
        words = f"told {ago(told, now)}" if told else "not told yet"
        failing = part.maybe_moment("failing_since")
        if failing is not None:
            words += f", failing for {ago(failing, now).removesuffix(' ago')}: {part.text('why')}"
        waiting = _count(part, "depth")
        words += f"; {waiting} event{'s' if waiting > 1 else ''} wait{'' if waiting > 1 else 's'}" if waiting else ""
        words += "".join(_lost(part)) + _skew(part)
        lines.append(f"{one.label:12} {words}")
    return lines


def _lost(part: Reader) -> list[str]:
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


def _count(part: Reader, field: str) -> int:
    """Return a count; 0 where it is not known, which is then not spoken of."""
    return 0 if part.raw.get(field) is None else int(part.number(field))


def _skew(part: Reader) -> str:
    """Say so where the clocks are too far apart for moments to be compared."""
    skew = timedelta(seconds=_count(part, "skew_s"))
    if abs(skew) <= SKEW:
        return ""
    return f"; this machine's clock is {abs(skew).total_seconds():.0f} s {'ahead' if skew > timedelta(0) else 'behind'}"


def _on(telling: Reader | None) -> Sequence[tuple[Listener, Reader]]:
    listeners = telling.maybe_part("listeners") if telling else None
    return [(one, part) for one in Listener if listeners and (part := listeners.maybe_part(one.value)) is not None]
