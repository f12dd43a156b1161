"""The running kernel as it is now, and services on deleted files as the last check saw them. Light, pure.

An observation of an earlier boot is discarded: the services are unknown until the next check.
"""

from datetime import datetime

from agent.core.schemas import Document
from agent.report.layout import Line, field
from agent.report.status.observed import CurrentBoot
from agent.report.status.restarts import restart_advice
from agent.state.timestamps import format_age, format_utc
from agent.state.views import StateView

_MAX_UNITS = 8


class Runtime:
    """The kernel and the services of the current boot; None for what is unknown."""

    def __init__(self, state: StateView | None, boot: CurrentBoot) -> None:
        known = state if state and boot.boot_id is not None and state.boot_id == boot.boot_id else None
        self.running, self.newest, self.outdated = boot.kernel.running, boot.kernel.newest, boot.kernel.outdated
        self.without_image = boot.kernel.without_image
        self.in_container = boot.in_container
        self.deleted_files = known.deleted_files if known else None
        self.seen_at = known.services_at if known else None

    @property
    def reasons(self) -> list[str]:
        """Return that a kernel cannot be booted."""
        return [
            f"{package} is installed but its image is missing from /boot (`apt-get install --reinstall {package}`)"
            for package in self.without_image
        ]

    @property
    def document(self) -> Document:
        """Return the `kernel` and the `services` of the status."""
        return {
            "kernel": {"running": self.running, "newest": self.newest, "outdated": self.outdated},
            "services": None
            if self.deleted_files is None or self.seen_at is None
            else {"seen_at": format_utc(self.seen_at), "deleted_files": self.deleted_files},
        }

    def lines(self, now: datetime, *, width: int, verbose: bool) -> list[Line]:
        """Render both; with `verbose` every service on a line of its own."""
        lines = [
            field("Kernel", self._kernel(), width=width),
            field("Restart needed", self._services(now), width=width),
        ]
        advice = [restart_advice(name) for name in self.deleted_files or ()]
        if verbose:
            return [*lines, *(Line(f"{'':{width}}{one}", hang=width) for one in advice)]
        shown = advice[:_MAX_UNITS]
        more = (
            f" and {len(advice) - _MAX_UNITS} more (`maestro-agent status --all`)" if len(advice) > _MAX_UNITS else ""
        )
        return [*lines, *([Line(f"{'':{width}}{', '.join(shown)}{more}", hang=width)] if shown else [])]

    def _kernel(self) -> str:
        running = self.running or "unknown"
        if self.in_container:
            return f"{running}, of this container's host"
        if self.newest is None:
            return f"{running}; newest installed kernel unknown"
        if not self.outdated:
            return f"{running}, the newest {'that can be booted' if self.without_image else 'installed'}"
        newer = "a newer build of it" if self.newest == self.running else self.newest
        return f"{running}; {newer} is installed and needs a reboot"

    def _services(self, now: datetime) -> str:
        if self.deleted_files is None or self.seen_at is None:
            return "unknown until the next check"
        return f"{len(self.deleted_files) or 'none'} (checked {format_age(self.seen_at, now)})"
