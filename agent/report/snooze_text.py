"""Renders snoozes for people. Pure and light."""

from collections.abc import Iterable
from datetime import datetime

from agent.report.layout import Line, Tone, columns
from agent.state.snooze_view import SnoozeView
from agent.state.timestamps import format_human


def snooze_lines(snoozes: Iterable[SnoozeView], now: datetime) -> list[str]:
    """List the snoozes in force, those that end first at the top."""
    shown = sorted((one for one in snoozes if one.in_force(now)), key=lambda one: (one.until, one.what))
    if not shown:
        return ["Nothing is snoozed."]
    rows = columns([(one.what, f"until {format_human(one.until)}", f"by {one.by}") for one in shown], indent=2)
    lines: list[str] = ["Snoozed, each ends by itself (`maestro-agent snooze --end` ends one now):"]
    for row, one in zip(rows, shown, strict=True):
        lines += [row, Line(f"      {one.comment}", hang=6)]
    return lines


def snooze_text(snooze: SnoozeView) -> str:
    """Return one snooze in a line: "nginx until 2026-12-28 00:00 UTC by ann: after the fair"."""
    return f"{snooze.what} until {format_human(snooze.until)} by {snooze.by}: {snooze.comment}"


def not_binding(patcher: str | None) -> str:
    """Return that the distribution's own job goes by neither snoozes nor [soak]; empty if it installs no updates.

    `patcher` is that of `DailyJobView`.
    """
    if patcher != "unattended-upgrades":
        return ""
    return (
        "unattended-upgrades installs the updates here, and goes by neither snoozes nor [soak]: `apt-mark hold` binds "
        "it, too; `maestro-agent unattended-upgrades disable` has maestro-agent install them"
    )


def not_binding_lines(patcher: str | None) -> list[Line]:
    """Return `not_binding` as a line below what waits; none if it is empty."""
    notice = not_binding(patcher)
    return [Line(f"  {notice}", hang=4, tone=Tone.ATTENTION)] if notice else []
