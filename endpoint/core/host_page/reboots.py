"""What a host's report says of reboots and services: what is required, since when, and what it waits for. Pure."""

from dataclasses import dataclass
from datetime import datetime

from endpoint.core.host_page.parts import Part
from endpoint.core.host_page.reasons import REBOOT_OPENERS, REBOOT_WHYS

_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingReboot:
    """What a reboot of this host waits for."""

    gate: str
    why: str
    detail: str
    opens: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledReboot:
    """A reboot that a person on the host scheduled."""

    at: datetime | None
    until: datetime | None
    if_required: bool
    by: str
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LastReboot:
    """The last reboot that the agent began."""

    id: str
    result: str
    origin: str
    started_at: datetime | None
    downtime_s: float | None
    why: str | None
    problems: tuple[tuple[str, str], ...]
    """Code and sentence."""
    lock: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLock:
    """The fleet lock that the host holds or may hold."""

    phase: str
    group: str
    since: datetime | None
    kept: str | None
    """Why it stays held until a person releases it; None: it does not."""
    refusal: tuple[str, str, datetime | None] | None
    """Why the server's last answer was no: code, sentence, when; None: it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebootView:
    """All of it; `required` None: unknown."""

    required: bool | None
    since: datetime | None
    packages: tuple[str, ...]
    kernel_running: str | None
    kernel_newest: str | None
    kernel_outdated: bool | None
    next_at: datetime | None
    waiting: WaitingReboot | None
    scheduled: ScheduledReboot | None
    last: LastReboot | None
    lock: HostLock | None
    stale_units: tuple[str, ...] | None
    """Units that run replaced files; None: unknown, as after a boot until the next check."""
    failed_units: tuple[str, ...]
    booted_at: datetime | None


def reboot_view(report: Part) -> RebootView:
    """Return what a report says of reboots."""
    reboot, kernel, reboots = report.child("reboot"), report.child("kernel"), report.child("reboots")
    services = report.child("services")
    units = services.texts_or_none("deleted_files")
    return RebootView(
        required=reboot.flag("required"),
        since=reboot.moment("since"),
        packages=reboot.texts("packages")[:_SHOWN],
        kernel_running=kernel.text("running"),
        kernel_newest=kernel.text("newest"),
        kernel_outdated=kernel.flag("outdated"),
        next_at=reboots.moment("next_at"),
        waiting=_waiting(reboots.child("waiting")),
        scheduled=_scheduled(reboots.child("scheduled")),
        last=_last(reboots.child("last")),
        lock=_lock(report.child("fleet_lock")),
        stale_units=units[:_SHOWN] if units is not None else None,
        failed_units=services.texts("failed_restarts")[:_SHOWN],
        booted_at=report.child("host").moment("booted_at"),
    )


def _waiting(waiting: Part) -> WaitingReboot | None:
    if waiting.is_empty:
        return None
    why = waiting.word("why")
    return WaitingReboot(
        gate=waiting.word("gate"),
        why=REBOOT_WHYS.get(why, why),
        detail=waiting.text("detail") or "",
        opens=REBOOT_OPENERS.get(why),
    )


def _scheduled(scheduled: Part) -> ScheduledReboot | None:
    if scheduled.is_empty:
        return None
    return ScheduledReboot(
        at=scheduled.moment("at"),
        until=scheduled.moment("until"),
        if_required=scheduled.flag("if_required") is True,
        by=scheduled.word("requested_by"),
        comment=scheduled.text("comment") or "",
    )


def _last(last: Part) -> LastReboot | None:
    if last.is_empty:
        return None
    why = last.text("why")
    return LastReboot(
        id=last.word("id"),
        result=last.word("result"),
        origin=last.word("origin"),
        started_at=last.moment("started_at"),
        downtime_s=last.number("downtime_s"),
        why=REBOOT_WHYS.get(why, why) if why else None,
        problems=tuple((one.word("code"), one.text("detail") or "") for one in last.children("problems")[:_SHOWN]),
        lock=last.word("lock"),
    )


def _lock(lock: Part) -> HostLock | None:
    if lock.is_empty:
        return None
    refusal = lock.child("refusal")
    return HostLock(
        phase=lock.word("phase"),
        group=lock.word("group"),
        since=lock.moment("since"),
        kept=lock.text("kept"),
        refusal=None if refusal.is_empty else (refusal.word("why"), refusal.text("detail") or "", refusal.moment("at")),
    )
