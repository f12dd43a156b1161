"""Read-only views of `maestro.reboot/1` and `maestro.reboot-schedule/1` for `status`. Light."""

from agent.state.json_reader import JsonReader
from agent.state.reboot_outcome_view import RebootGateView


class RebootCourseView:
    """`maestro.reboot/1`: the reboot that is under way, or waits for a gate."""

    def __init__(self, document: JsonReader) -> None:
        self.run_id = document.text("run")
        self.origin = document.text("origin")
        self.entered_at = document.time("entered_at")
        self.phase = document.text("phase")
        """`waiting`, `hooks`, `lock`, `announced`, `fired` or `verifying`."""
        blocked = document.optional_child("blocked")
        self.blocked = RebootGateView(blocked) if blocked else None
        """What is waited for."""
        self.retry_at = document.optional_time("retry_at")
        """When the daemon tries again; None: in the next opening of the window."""


class RebootScheduleView:
    """`maestro.reboot-schedule/1`: what `reboot --at` scheduled."""

    def __init__(self, document: JsonReader) -> None:
        self.created_at = document.time("created_at")
        self.at = document.time("at")
        self.until = document.time("until")
        self.requested_by = document.optional_text("requested_by") or ""
        self.if_required = "if-required" in document.texts("options")
        self.comment = document.optional_text("comment") or ""
