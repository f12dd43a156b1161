"""Read-only views of `maestro.provision/1` and of its part of `maestro.outcome/1`. Light, as `agent.state.views`.

The encoder is `agent.state.documents.provision`.
"""

from datetime import datetime, timedelta

from agent.core.schemas import Document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc

_GIVEN_UP_AFTER = timedelta(days=7)
"""As `NEW_FOR` of `agent.core.schedule.provision`, which is not light."""


class ProvisionView:
    """How far the provisioning of this server has come."""

    def __init__(self, part: JsonReader) -> None:
        self.machine = part.text("machine")
        """As in `Provision`."""
        self.phase = part.text("phase")
        self.started_at = part.time("started_at")
        self.entered_at = part.time("entered_at")
        self.done_at = part.optional_time("done_at")
        self.reboot = part.boolean("reboot")
        """Whether a required restart is taken."""
        self.rebooted = part.boolean("rebooted")
        self.requested_by = part.optional_text("requested_by")

    def was_given_up(self, now: datetime) -> bool:
        """Return whether it did not end in time, so that only a person goes on with it."""
        return self.phase != "done" and now - self.started_at > _GIVEN_UP_AFTER

    def restart_since(self, now: datetime) -> datetime | None:
        """Return since when it takes a required restart by itself; None: it does not."""
        takes = self.phase == "rebooting" and self.reboot and not self.was_given_up(now)
        return self.entered_at if takes else None

    @property
    def document(self) -> Document:
        """Return the `provision` of the status."""
        return {
            "phase": self.phase,
            "started_at": format_utc(self.started_at),
            "done_at": format_utc(self.done_at) if self.done_at else None,
            "rebooted": self.rebooted,
            "requested_by": self.requested_by,
        }


class ForeignChangeView:
    """What a transaction of another program did."""

    def __init__(self, part: JsonReader) -> None:
        self.by = part.text("by")
        self.at = part.time("at")
        self.installed = int(part.number("installed"))
        self.upgraded = int(part.number("upgraded"))
        self.removed = part.texts("removed")


class ProvisionNoteView:
    """How far provisioning had come after a run."""

    def __init__(self, part: JsonReader) -> None:
        self.phase = part.text("phase")
        self.before = [ForeignChangeView(change) for change in part.optional_children("before")]
