"""What waits for a time, in `status`: the snoozes, and the age policy of the last check. Pure and light."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agent.core.schemas import Document
from agent.report.layout import Line, Tone, field
from agent.report.status.observed import Damaged
from agent.state.lazy_module import lazy_module
from agent.state.views import StateView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.report import snooze_text
    from agent.state import snooze_view
else:
    snooze_text = lazy_module("agent.report.snooze_text")
    snooze_view = lazy_module("agent.state.snooze_view")


class Waiting:
    """The snoozes in force, and the soak and the cohort that the last check went by."""

    def __init__(
        self,
        snoozes: Sequence[snooze_view.SnoozeView] | Damaged,
        state: StateView | None,
        now: datetime,
        patcher: str | None,
    ) -> None:
        """Take all on record, the last check, and who installs the updates (`DailyJobView.patcher`)."""
        problem = snoozes.reason if isinstance(snoozes, Damaged) else ""
        self.snoozes = [] if isinstance(snoozes, Damaged) else [one for one in snoozes if one.in_force(now)]
        self.reasons = [f"the snoozes cannot be read, so nothing is snoozed: {problem}"] if problem else []
        """That the document of the snoozes is damaged; it stays until `maestro-agent snooze` writes another."""
        self._known = not problem
        self._soak = state.soak if state is not None else None
        self._patcher = patcher

    @property
    def document(self) -> Document:
        """Return the `snoozes` and the `soak` of the status."""
        snoozes = [one.document for one in self.snoozes] if self._known else None
        return {"snoozes": snoozes, "soak": dict(self._soak.raw) if self._soak else None}

    def lines(self, width: int) -> list[Line]:
        """Render both; nothing where nothing is snoozed or soaks."""
        found = sorted(self.snoozes, key=lambda one: (one.until, one.what))
        lines = [
            field("" if number else "Snoozed", snooze_text.snooze_text(one), width=width)
            for number, one in enumerate(found)
        ]
        if self._soak is not None:
            lines.append(field("Soak", self._soak_text(), width=width))
        ignored = snooze_text.not_binding(self._patcher) if lines else ""
        if ignored:
            lines.append(field("", ignored, width=width, tone=Tone.ATTENTION))
        return lines

    def _soak_text(self) -> str:
        soak = self._soak
        if soak is None:
            return ""
        parts = [
            f"security updates {_days(soak.security_s)}, others {_days(soak.other_s)}",
            *([f"rollout over {_days(soak.rollout_s)}"] if soak.rollout_s else []),
            f"cohort {soak.cohort}",
        ]
        return "; ".join(parts)


def _days(seconds: float) -> str:
    """Return a duration in days, or in hours below two days: "7 days", "36 h", "none"."""
    hours = seconds / 3600
    if not hours:
        return "none"
    return f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} h"  # noqa: PLR2004 - two days
