"""The provisioning of a new server in `status`. Pure and light."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from agent.core.schemas import Document
from agent.report.layout import Line, Tone, field
from agent.report.status.observed import Damaged
from agent.report.status.section import Section
from agent.state.provision_view import ProvisionView
from agent.state.timestamps import format_age, format_human

_SHOWN_FOR = timedelta(days=7)
"""How long the end is of interest."""
_DOING = {"upgrading": "upgrading every package", "rebooting": "a restart is required, and is taken by `provision`"}
_LEFT = "a restart is required, and is left to whoever stopped the one of `provision`"


class Provisioning(Section):
    """How far it has come; None for a server that is not to be provisioned."""

    def __init__(self, found: ProvisionView | Damaged | None, now: datetime) -> None:
        self._damaged = found if isinstance(found, Damaged) else None
        self._view = None if isinstance(found, Damaged) else found
        self._now = now

    @property
    def document(self) -> Document | None:
        """Return the `provision` of the status."""
        return self._view.document if self._view else None

    @property
    def reasons(self) -> list[str]:
        """Return why a person should look at it."""
        if self._damaged is not None:
            return [f"{self._damaged.reason}: `maestro-agent provision` begins again"]
        if self._view is None or not self._view.was_given_up(self._now):
            return []
        return ["provisioning was given up after 7 days: `maestro-agent provision` goes on"]

    def lines(self, width: int) -> Iterator[Line]:
        """Render a line, unless the end is long ago."""
        view = self._view
        if view is None:
            return
        if view.phase != "done":
            age = format_age(view.started_at, self._now)
            left = view.phase == "rebooting" and not view.reboot
            doing = _LEFT if left else _DOING.get(view.phase, view.phase)
            yield field("Provisioning", f"{doing}; began {age}", width=width, tone=Tone.ATTENTION)
        elif view.done_at is not None and self._now - view.done_at < _SHOWN_FOR:
            restart = ", with a restart" if view.rebooted else ""
            yield field("Provisioning", f"done {format_human(view.done_at)}{restart}", width=width)
