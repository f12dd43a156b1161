"""The fixes that are not active, in `status`: how many, and what the oldest waits for. Pure and light."""

from datetime import datetime

from agent.report.layout import Line, Tone, field
from agent.state.exposure_view import ExposureView, FixView
from agent.state.timestamps import format_age

_AGO = " ago"
_WAITS = {"upgrade": "not installed", "reboot": "needs a reboot"}


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


def fix_text(fix: FixView) -> str:
    """Return a fix with its dates and what it waits for."""
    dates = f"pending since {fix.pending_since:%Y-%m-%d}"
    if fix.installed_at is not None:
        dates += f", installed {fix.installed_at:%Y-%m-%d}"
    if fix.active_at is not None:
        dates += f", active {fix.active_at:%Y-%m-%d}"
    return f"{fix.label} {fix.version}: {dates}{f' ({why})' if (why := why_inactive(fix)) else ''}"


def why_inactive(fix: FixView) -> str:
    """Return what keeps a fix from being active; empty if it is active."""
    if fix.active_at is not None:
        return ""
    if fix.waits_for == "restart" and fix.units:
        name, *others = fix.units
        more = f" and {len(others)} more" if others else ""
        return f"{name}{more} still run{'' if others else 's'} the old version"
    return _WAITS.get(fix.waits_for or "", "not known whether it is in use")


def _none_waits(exposure: ExposureView) -> str:
    if exposure.pending is None:
        return "unknown without current package lists"
    return "none pending" if exposure.installed is None else "all active"


def _oldest(fix: FixView, now: datetime) -> str:
    age = format_age(fix.pending_since, now)
    span = age.removesuffix(_AGO) if age.endswith(_AGO) else "less than a minute"
    return f"{span} ({fix.source}: {why_inactive(fix)})"
