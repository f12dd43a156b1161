"""The running kernel as it is now, and services on deleted files as the last check saw them. Light, pure.

An observation of an earlier boot is discarded: the services are unknown until the next check.
"""

from datetime import datetime

from agent.core.schemas import Document
from agent.report.status.observed import CurrentBoot
from agent.state.timestamps import format_age, format_utc
from agent.state.views import StateView

_MAX_UNITS = 8


class Runtime:
    """The kernel and the services of the current boot; None for what is unknown."""

    def __init__(self, state: StateView | None, boot: CurrentBoot) -> None:
        known = state if state and boot.boot_id is not None and state.boot_id == boot.boot_id else None
        self.running, self.newest, self.outdated = boot.kernel.running, boot.kernel.newest, boot.kernel.outdated
        self.deleted_files = known.deleted_files if known else None
        self.seen_at = known.generated_at if known else None

    @property
    def document(self) -> Document:
        """Return the `kernel` and the `services` of the status."""
        return {
            "kernel": {"running": self.running, "newest": self.newest, "outdated": self.outdated},
            "services": None
            if self.deleted_files is None or self.seen_at is None
            else {"seen_at": format_utc(self.seen_at), "deleted_files": self.deleted_files},
        }

    def lines(self, now: datetime) -> list[str]:
        """Render both."""
        return [f"Kernel       {self._kernel()}", f"Restart      {self._services(now)}"]

    def _kernel(self) -> str:
        running = self.running or "unknown"
        if self.newest is None:
            return f"{running}; newest installed kernel unknown"
        if not self.outdated:
            return f"{running}, the newest installed"
        newer = "a newer build of it" if self.newest == self.running else self.newest
        return f"{running}; {newer} is installed and needs a reboot"

    def _services(self, now: datetime) -> str:
        names = self.deleted_files
        if names is None or self.seen_at is None:
            return "unknown which services run deleted files"
        seen = f"checked {format_age(self.seen_at, now)}"
        if not names:
            return f"no service runs deleted files, {seen}"
        more = f" and {len(names) - _MAX_UNITS} more" if len(names) > _MAX_UNITS else ""
        count = "1 service runs" if len(names) == 1 else f"{len(names)} services run"
        return f"{count} deleted files, {seen}: {', '.join(names[:_MAX_UNITS])}{more}"
