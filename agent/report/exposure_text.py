"""Security fixes and the steps that they have reached, for people. Pure and light."""

from collections.abc import Sequence

from agent.report.layout import Line, Tone
from agent.state.exposure_view import FixView

_WAITS = {"upgrade": "not installed", "reboot": "needs a reboot"}


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
    if fix.units:
        name, *others = fix.units
        more = f" and {len(others)} more" if others else ""
        reboot = ", needs a reboot" if fix.waits_for == "reboot" else ""
        return f"{name}{more} still run{'' if others else 's'} the old version{reboot}"
    return _WAITS.get(fix.waits_for or "", "not known whether it is in use")


def run_fixes_lines(fixes: Sequence[FixView]) -> list[str]:
    """Say which of the security fixes that a run installed are active by now; nothing if none is on record."""
    if not fixes:
        return []
    waiting = [fix for fix in fixes if fix.active_at is None]
    if not waiting:
        last = max(fix.active_at for fix in fixes if fix.active_at is not None)
        return [f"{_counted(fixes)}: active since {last:%Y-%m-%d}."]
    names = "; ".join(f"{fix.label} ({why_inactive(fix)})" for fix in waiting)
    head = f"{_counted(fixes)}, {len(waiting)} not active"
    return [Line(f"{head}: {names}", hang=2, tone=Tone.ATTENTION)]


def _counted(fixes: Sequence[FixView]) -> str:
    return "1 security fix" if len(fixes) == 1 else f"{len(fixes)} security fixes"
