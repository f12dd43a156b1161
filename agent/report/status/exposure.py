"""The fixes that are not active, in `status`: how many, and what the oldest waits for. Pure and light."""

from datetime import datetime

from agent.report.exposure_text import fix_text, why_inactive
from agent.report.layout import Line, Tone, field
from agent.state.exposure_view import ExposureView, FixView
from agent.state.timestamps import format_age

_AGO = " ago"


def exposure_lines(exposure: ExposureView | None, now: datetime, *, width: int, verbose: bool) -> list[Line]:
    """Render the oldest fix that is not active, with `verbose` the oldest ones; nothing if that is not on record."""
    if exposure is None:
        return []
    unknown = "; those installed before the boot are unknown until the next check" if exposure.installed is None else ""
    count = (exposure.pending or 0) + (exposure.installed or 0)
    if not exposure.fixes:
        return [field("Security fixes", f"{_none_waits(exposure)}{unknown}", width=width)]
    total = f"; {count} in all" if count > 1 else ""
    text = f"oldest not yet active: {_oldest(exposure.fixes[0], now)}{total}{unknown}"
    lines = [field("Security fixes", text, width=width, tone=Tone.ATTENTION)]
    return [*lines, *(Line(f"{'':{width}}{fix_text(fix)}", hang=width) for fix in exposure.fixes if verbose)]


def _none_waits(exposure: ExposureView) -> str:
    if exposure.pending is None:
        return "unknown without current package lists"
    return "none pending" if exposure.installed is None else "all active"


def _oldest(fix: FixView, now: datetime) -> str:
    age = format_age(fix.pending_since, now)
    span = age.removesuffix(_AGO) if age.endswith(_AGO) else "less than a minute"
    return f"{span} ({fix.source}: {why_inactive(fix)})"
