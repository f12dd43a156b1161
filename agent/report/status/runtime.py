"""The running kernel as it is now; services on deleted files and inactive fixes as of the last check. Light, pure.

An observation of an earlier boot is discarded: the services are unknown until the next check.
"""

from datetime import datetime

from agent.core.schemas import Document
from agent.report.layout import Line, field
from agent.report.status.exposure import exposure_lines
from agent.report.status.observed import CurrentBoot
from agent.report.status.restarts import by_advice, restart_summary
from agent.state.exposure_view import ExposureView
from agent.state.restart_view import FailedRestartView
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
        self.needed_restarts = known.needed_restarts if known else {}
        """What helps each of `deleted_files`, as far as it is known."""
        self.failed_restarts = known.failed_restarts if known else []
        self.sessions = known.sessions if known else {}
        """Users by session or user manager."""
        self.exposure = _exposure(state, same_boot=known is not None)
        self.seen_at = known.services_at if known else None

    @property
    def reasons(self) -> list[str]:
        """Return that a kernel cannot be booted, or that a service did not survive its restart."""
        return [*self._kernel_reasons, *self.failures.values()]

    @property
    def failures(self) -> dict[str, str]:
        """Return the services whose restart failed, and that were not active at the last check, with a sentence."""
        return {one.unit: _failure(one) for one in self.failed_restarts}

    @property
    def _kernel_reasons(self) -> list[str]:
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
                "restarts": [one.document for one in self.needed_restarts.values()],
                "failed_restarts": [one.document for one in self.failed_restarts],
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
        advice = by_advice(self.deleted_files or (), self.needed_restarts)
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
        command = restart_summary(map(self.needed_restarts.get, self.deleted_files))
        count = f"{len(self.deleted_files) or 'none'} (checked {format_age(self.seen_at, now)})"
        return f"{count}: {command}" if command else count


def _failure(failed: FailedRestartView) -> str:
    """Return a sentence; a unit that systemd did not show at the last check may be well by now."""
    name = failed.unit.removesuffix(".service")
    state = f"is {failed.active_state}" if failed.active_state else "may be down"
    return (
        f"{name} {state} since `restart-services` restarted it: `systemctl status {name}`, then `maestro-agent check`"
    )


def _exposure(state: StateView | None, *, same_boot: bool) -> ExposureView | None:
    found = state.exposure if state is not None else None
    if state is None or found is None:
        return None
    if state.plan.lists.state not in _CURRENT:
        found = found.without_lists()
    return found if same_boot else found.after_boot()
