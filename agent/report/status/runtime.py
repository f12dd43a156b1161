"""The running kernel as it is now; services on deleted files and inactive fixes as of the last check. Light, pure.

An observation of an earlier boot is discarded: the services are unknown until the next check.
"""

from datetime import datetime

from agent.core.schemas import Document
from agent.report.layout import Line, field
from agent.report.status.exposure import exposure_lines
from agent.report.status.observed import CurrentBoot
from agent.report.status.restarts import restart_advice
from agent.state.exposure_view import ExposureView
from agent.state.timestamps import format_age, format_utc
from agent.state.views import StateView

_MAX_UNITS = 8
_CURRENT = ("fresh", "partial")
"""States of the lists that show what is on offer (`agent.core.model.facts.ListsState`)."""


class Runtime:
    """The kernel, the services and the fixes of the current boot; None for what is unknown."""

    def __init__(self, state: StateView | None, boot: CurrentBoot) -> None:
        known = state if state and boot.boot_id is not None and state.boot_id == boot.boot_id else None
        self.running, self.newest, self.outdated = boot.kernel.running, boot.kernel.newest, boot.kernel.outdated
        self.without_image = boot.kernel.without_image
        self.in_container = boot.in_container
        self.deleted_files = known.deleted_files if known else None
        self.sessions = known.sessions if known else {}
        """Users by session or user manager."""
        self.exposure = _exposure(state, same_boot=known is not None)
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
        """Return the `kernel`, the `services` and the `exposure` of the status."""
        return {
            "kernel": {"running": self.running, "newest": self.newest, "outdated": self.outdated},
            "services": None
            if self.deleted_files is None or self.seen_at is None
            else {
                "seen_at": format_utc(self.seen_at),
                "deleted_files": self.deleted_files,
                "sessions": [{"unit": unit, "user": user} for unit, user in self.sessions.items()],
            },
            "exposure": self.exposure.document if self.exposure else None,
        }

    def lines(self, now: datetime, *, width: int, verbose: bool) -> list[Line]:
        """Render all; with `verbose` every service and the oldest fixes on lines of their own."""
        lines = [
            *exposure_lines(self.exposure, now, width=width, verbose=verbose),
            field("Kernel", self._kernel(), width=width),
            field("Restart needed", self._services(now), width=width),
        ]
        advice = [restart_advice(name, self.sessions.get(name, "")) for name in self.deleted_files or ()]
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


def _exposure(state: StateView | None, *, same_boot: bool) -> ExposureView | None:
    found = state.exposure if state is not None else None
    if state is None or found is None:
        return None
    if state.plan.lists.state not in _CURRENT:
        found = found.without_lists()
    return found if same_boot else found.after_boot()
