"""Renders what a run says of provisioning. Pure and light."""

from agent.core.package_label import label_of
from agent.report.text import counted
from agent.state.provision_view import ForeignChangeView, ProvisionNoteView
from agent.state.timestamps import format_human

_PHASES = {
    "upgrading": "Provisioning has not ended: the daemon tries again, or `maestro-agent provision` does.",
    "rebooting": "Provisioning goes on after the restart.",
    "done": "Provisioning is done: from now on security updates only.",
}


def provision_lines(note: ProvisionNoteView | None) -> list[str]:
    """Return how far provisioning had come, and what other programs changed before it."""
    if note is None:
        return []
    return [*map(_before, note.before), _PHASES.get(note.phase, f"Provisioning: {note.phase}.")]


def _before(change: ForeignChangeView) -> str:
    counts = [f"{counted(change.upgraded, 'package')} upgraded", f"{change.installed} installed"]
    removed = f", removed {', '.join(map(label_of, change.removed))}" if change.removed else ""
    return f"Not by this agent: {change.by}, {format_human(change.at)}: {', '.join(counts)}{removed}."
