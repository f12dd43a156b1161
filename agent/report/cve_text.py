"""Renders `maestro.explain/1` about a CVE for people. Pure."""

from agent.core.spread import spread
from agent.report.layout import Line, Tone, columns
from agent.report.snooze_text import not_binding_lines, snooze_text
from agent.report.text import counted
from agent.state.json_reader import JsonReader
from agent.state.snooze_view import SnoozeView

_CONCLUSIONS = {
    "pending": "an update that is pending fixes it",
    "held": "an update that is held back fixes it",
    "available": "an update that is no security update fixes it",
    "fixed": "fixed in an installed version, according to its changelog",
    "unknown": "not known here",
}
_TONES = {"pending": Tone.ATTENTION, "held": Tone.HELD, "available": Tone.ATTENTION, "unknown": Tone.ATTENTION}
_MOST_UNREAD = 8


def cve_lines(document: JsonReader) -> list[str]:
    """Render the conclusion, the updates that fix the CVE, and the installed versions that have fixed it."""
    conclusion = document.text("conclusion")
    head = f"{document.text('cve')}: {_CONCLUSIONS.get(conclusion, conclusion)}"
    lines: list[str] = [Line(head, tone=_TONES.get(conclusion))]
    snooze = document.optional_child("snooze")
    if snooze is not None:
        lines.append(Line(f"  snoozed: {snooze_text(SnoozeView(snooze))}", hang=4))
        lines += not_binding_lines(document.optional_text("patcher"))
    rows = [_row(fix) for fix in document.children("fixes")]
    rows += [
        (fix.text("source"), f"{fix.text('installed')} installed", f"fixed since {fix.text('fixed_in')}")
        for fix in document.children("fixed")
    ]
    return [*lines, *columns(rows, indent=2), *_limits(document, conclusion)]


def _row(fix: JsonReader) -> tuple[str, ...]:
    state, detail = fix.text("state"), fix.optional_text("detail")
    words = {
        "pending": "pending: `maestro-agent upgrade` installs it",
        "held": f"held back: {detail}",
        "available": f"not a security update, and held back: {detail}"
        if detail
        else "not a security update: `maestro-agent upgrade --all` installs it",
    }
    versions = f"{fix.optional_text('installed') or '(new)'} -> {fix.text('candidate')}"
    return fix.text("package"), versions, words.get(state, state)


def _limits(document: JsonReader, conclusion: str) -> list[str]:
    """Say how far the answer reaches: that no changelog names a CVE does not mean that nothing is affected."""
    lines: list[str] = []
    if conclusion == "unknown":
        read = counted(int(document.number("changelogs_read")), "changelog")
        lines.append(
            Line(
                f"  {read} of installed packages were read, and none names it. "
                "That does not mean that this machine is not affected.",
                hang=2,
            )
        )
    unread = document.texts("unread")
    if unread:
        names = spread(unread, _MOST_UNREAD)
        lines.append(Line(f"  Not read, or not completely, are the changelogs of the updates of: {names}", hang=2))
    if not document.boolean("changelogs_complete"):
        lines.append(Line("  Not all changelogs of installed packages could be read in time.", hang=2))
    return lines
