"""Read-only views of the services that need a restart, as in `maestro.state/1`. Light: `status` imports it.

The encoder is `agent.state.documents.plan`. Documents of earlier versions have none of it.
"""

from agent.core.schemas import Document
from agent.state.json_reader import JsonReader


class NeededRestartView:
    """An element of `services.restarts`: what helps a unit that runs replaced files."""

    def __init__(self, part: JsonReader) -> None:
        self.unit = part.text("unit")
        self.action = part.text("action")
        """What `restart-services` does: `restart`, `daemon-reexec` or `none`."""
        self.why = part.optional_text("why")
        """Code of why it is left; None: it is not."""
        self.remedy = part.text("remedy")
        """What helps a unit that is left; empty for the others."""

    @property
    def document(self) -> Document:
        """Return the element."""
        return {"unit": self.unit, "action": self.action, "why": self.why, "remedy": self.remedy}


class FailedRestartView:
    """An element of `failed_restarts`: a service whose restart failed, and that was not seen active since."""

    def __init__(self, part: JsonReader) -> None:
        self.unit = part.text("unit")
        self.active_state = part.optional_text("active_state")
        """As seen last; None: systemd did not answer."""

    @property
    def document(self) -> Document:
        """Return the element."""
        return {"unit": self.unit, "active_state": self.active_state}


def needed_restarts(services: JsonReader | None) -> dict[str, NeededRestartView]:
    """Return what helps each unit, by unit."""
    views = [NeededRestartView(part) for part in services.optional_children("restarts")] if services else []
    return {view.unit: view for view in views}


def failed_restarts(state: JsonReader) -> list[FailedRestartView]:
    """Return the services whose restart failed."""
    return [FailedRestartView(part) for part in state.optional_children("failed_restarts")]
