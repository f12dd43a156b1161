"""Reboots in `status`, by the record: the last, the scheduled, and one that waits for a gate. Pure and light."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from agent.core.schemas import Document
from agent.report.layout import Line, Tone, field
from agent.report.status.observed import RebootDocuments
from agent.state.lazy_module import lazy_module
from agent.state.timestamps import format_age, format_human, format_utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.core.reboot import course
    from agent.report import reboot_outcome_text
    from agent.state import reboot_outcome_view, reboot_view
else:
    course = lazy_module("agent.core.reboot.course")
    reboot_outcome_text = lazy_module("agent.report.reboot_outcome_text")
    reboot_outcome_view = lazy_module("agent.state.reboot_outcome_view")
    reboot_view = lazy_module("agent.state.reboot_view")

_REASONS = {
    "rebooted-with-problems": "the last reboot left problems",
    "not-rebooted": "the last reboot did not happen",
    "failed": "the last reboot failed",
}
"""Results that need a person."""
_RECENT = timedelta(days=7)
"""How long a reboot is a reason for attention that left nothing behind but its outcome."""


class Reboots:
    """What the record has of reboots; None for what there is not, or what is damaged."""

    def __init__(
        self,
        found: RebootDocuments,
        now: datetime,
        next_at: datetime | None = None,
        provision_since: datetime | None = None,
    ) -> None:
        """Take the record, when the daemon has the machine rebooted, and since when provisioning restarts it.

        None for either: it does not.
        """
        self.last = found.last
        self.schedule = found.schedule
        self.next_at = next_at
        self._now = now
        self._provision_since = provision_since
        last = found.course
        self._blocked = last if last and last.phase == "waiting" and last.blocked else None

    @property
    def waiting(self) -> reboot_view.RebootCourseView | None:
        """What the next try waits for; None: nothing, or the record is of a reboot that is not tried any more."""
        blocked = self._blocked
        return blocked if blocked is not None and self._is_next(blocked) else None

    def _is_next(self, blocked: reboot_view.RebootCourseView) -> bool:
        waits = course.still_waits(
            blocked.entered_at,
            blocked.retry_at,
            self._now,
            by_schedule=blocked.origin == "schedule",
            scheduled_since=self.schedule.created_at if self.schedule else None,
        )
        if blocked.retry_at is None:
            return waits and self.next_at is not None
        return waits and (self.next_at is None or course.is_same_try(self.next_at, blocked.retry_at))

    @property
    def document(self) -> Document:
        """Return the `reboots` of the status."""
        return {
            "last": _last_document(self.last) if self.last else None,
            "scheduled": _schedule_document(self.schedule) if self.schedule else None,
            "waiting": _waiting_document(self.waiting) if self.waiting else None,
            "next_at": format_utc(self.next_at) if self.next_at else None,
        }

    @property
    def by_itself(self) -> bool:
        """Whether a required reboot needs nobody: the daemon carries it out, and it waits for no gate."""
        comes = self.schedule is not None or self.next_at is not None or self._is_provisioned
        return comes and self.waiting is None

    @property
    def _is_provisioned(self) -> bool:
        """Whether provisioning restarts the machine, and no gate has kept it from that."""
        since, last = self._provision_since, self.last
        return since is not None and not (last is not None and last.result == "blocked" and last.started_at >= since)

    @property
    def reasons(self) -> list[str]:
        """Return why a person should look at the last reboot."""
        last = self.last
        if last is None or (self._now - last.started_at >= _RECENT and not self._fails_again):
            return []
        history = f"`maestro-agent history {last.id}`"
        if last.result in _REASONS:
            return [f"{_REASONS[last.result]}: {history}"]
        if last.problems:
            return [f"a hook after a reboot that did not happen failed: {history}"]
        if last.result == "blocked" and last.origin == "schedule" and self._blocked is None:
            return [f"the scheduled reboot was given up: {history}"]
        return []

    @property
    def _fails_again(self) -> bool:
        """Whether what failed after the last try fails after each one now: the record has only the first of them."""
        last, waiting = self.last, self.waiting
        tried = waiting is not None and waiting.retry_at is not None
        return tried and last is not None and last.result == "blocked" and bool(last.problems)

    @property
    def cause(self) -> list[str]:
        """Return what tells the need of `reasons` from another: the reboot, or what fails after each try of one."""
        last = self.last
        if last is None or last.result in _REASONS or not last.problems:
            return self.reasons
        gate = [last.blocked.gate, last.blocked.why or ""] if last.blocked else []
        return [*gate, *(f"{code}: {detail}" for code, detail in last.problems)]

    def lines(self, width: int) -> Iterator[Line]:
        """Render a line for each that there is."""
        if self.last is not None and self.last.finished_at is not None:
            tone = Tone.FAILED if self.reasons else None
            age = format_age(self.last.started_at, self._now)
            text = f"{format_human(self.last.started_at)} ({age}): {_last_text(self.last)}"
            yield field("Last reboot", text, width=width, tone=tone)
        if self.schedule is not None:
            yield field("Reboot at", _schedule_text(self.schedule), width=width, tone=Tone.ATTENTION)
        elif self.next_at is not None and self.waiting is None:
            yield field("Reboot at", f"{format_human(self.next_at)}, in the maintenance window", width=width)
        if self.waiting is not None and self.waiting.blocked is not None:
            again_at = self.waiting.retry_at or self.next_at
            again = f"; next try {format_human(again_at)}" if again_at else ""
            text = f"{reboot_outcome_text.gate_reason(self.waiting.blocked)}{again}"
            yield field("Reboot waits", text, width=width, tone=Tone.HELD)


def _last_text(last: reboot_outcome_view.RebootOutcomeView) -> str:
    if last.result == "rebooted":
        return "done" + (
            f", down for {reboot_outcome_text.duration(last.downtime_s)}" if last.downtime_s is not None else ""
        )
    text = reboot_outcome_text.headline(last)
    return text[:1].lower() + text[1:].rstrip(".")


def _schedule_text(schedule: reboot_view.RebootScheduleView) -> str:
    needed = ", if required" if schedule.if_required else ""
    by = f"; requested by {schedule.requested_by}" if schedule.requested_by else ""
    comment = f": {schedule.comment}" if schedule.comment else ""
    return f"{format_human(schedule.at)}{needed}{by}{comment}"


def _last_document(last: reboot_outcome_view.RebootOutcomeView) -> Document:
    return {
        "id": last.id,
        "result": last.result,
        "origin": last.origin,
        "started_at": format_utc(last.started_at),
        "finished_at": format_utc(last.finished_at) if last.finished_at else None,
        "downtime_s": last.downtime_s,
        "why": last.blocked.why if last.blocked else None,
        "problems": [{"code": code, "detail": detail} for code, detail in last.problems],
        "lock": last.lock,
    }


def _schedule_document(schedule: reboot_view.RebootScheduleView) -> Document:
    return {
        "at": format_utc(schedule.at),
        "until": format_utc(schedule.until),
        "if_required": schedule.if_required,
        "requested_by": schedule.requested_by or None,
        "comment": schedule.comment or None,
    }


def _waiting_document(waiting: reboot_view.RebootCourseView) -> Document:
    blocked = waiting.blocked
    return {
        "gate": blocked.gate if blocked else None,
        "why": blocked.why if blocked else None,
        "detail": reboot_outcome_text.gate_reason(blocked) if blocked else None,
    }
