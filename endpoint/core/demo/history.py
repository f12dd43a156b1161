"""The last 90 days of a demo: when each host had which fix, its runs, and the fleet's exposure day by day. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from endpoint.core.demo.dice import Dice, demo_uuid
from endpoint.core.demo.fixes import DAYS, DemoFix
from endpoint.core.demo.roster import DemoHost
from endpoint.core.demo.troubles import OpenFix
from endpoint.core.timestamps import format_utc

_LATEST_RUNS = 3
"""Events of so many runs are sent by each host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One fix on one host, from its publication until it was active."""

    host: DemoHost
    fix: DemoFix
    installed_at: datetime | None
    active_at: datetime | None
    """None: it is open today."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureDay:
    """The exposure of some hosts at the end of one day."""

    day: str
    hosts: int
    exposed: int
    oldest_age_s: float | None
    fixes: int


def exposures(
    host: DemoHost, fixes: Sequence[DemoFix], open_now: Iterable[OpenFix], now: datetime
) -> tuple[Exposure, ...]:
    """Return the exposures of a host in the last 90 days."""
    dice = Dice(f"past {host.name}")
    waiting = {one.fix.package: one for one in open_now}
    found = []
    for fix in fixes:
        left = waiting.get(fix.package)
        if left is not None and left.fix.published_at <= fix.published_at:
            if left.fix is fix:
                found.append(Exposure(host=host, fix=fix, installed_at=left.installed_at, active_at=None))
            continue
        is_slow = dice.number(40) == 0
        installed = fix.published_at + timedelta(hours=dice.between(200, 700) if is_slow else dice.between(3, 60))
        slow = timedelta(hours=dice.between(20, 150) if fix.waits_for == "reboot" else dice.number(4))
        if dice.number(3) and installed + slow < now:
            found.append(Exposure(host=host, fix=fix, installed_at=installed, active_at=installed + slow))
    return tuple(found)


def exposure_days(hosts: int, found: Sequence[Exposure], now: datetime) -> tuple[ExposureDay, ...]:
    """Return the exposure at the end of each of the 90 days before today, the oldest first."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    days = []
    for ago in range(DAYS - 1, -1, -1):
        end = midnight - timedelta(days=ago)
        there = [one for one in found if one.fix.published_at < end and (one.active_at is None or one.active_at > end)]
        oldest = min((one.fix.published_at for one in there), default=None)
        days.append(
            ExposureDay(
                day=f"{end - timedelta(days=1):%Y-%m-%d}",
                hosts=hosts,
                exposed=len({one.host.host_id for one in there}),
                oldest_age_s=(end - oldest).total_seconds() if oldest is not None else None,
                fixes=len(there),
            )
        )
    return tuple(days)


def demo_events(host: DemoHost, found: Sequence[Exposure], now: datetime) -> list[dict[str, Any]]:
    """Return the messages of a host's last runs, each a `maestro.event/1`."""
    past = [one for one in found if one.installed_at is not None and one.installed_at < now]
    latest = sorted(past, key=lambda one: one.installed_at or now)[-_LATEST_RUNS:]
    return [_message(host, number, one) for number, one in enumerate(latest, 1)]


def _message(host: DemoHost, sequence: int, one: Exposure) -> dict[str, Any]:
    at = one.installed_at or one.fix.published_at
    body = {"schema": "maestro.event/1", "type": "outcome", "at": format_utc(at), "document": _outcome(one, at)}
    key = demo_uuid(f"event {host.name} {sequence}")
    return {"key": key, "kind": "event", "sequence": sequence, "created_at": format_utc(at), "body": body}


def _outcome(one: Exposure, at: datetime) -> dict[str, Any]:
    fix, start = one.fix, at - timedelta(seconds=41)
    return {
        "schema": "maestro.outcome/1", "generated_at": format_utc(at), "id": f"{start:%Y%m%dT%H%M%SZ}",
        "scope": "security", "started_at": format_utc(start), "finished_at": format_utc(at), "result": "updated",
        "message": "", "requested_by": "schedule", "new": [], "underway": [], "removed": [], "superseded": [],
        "upgraded": [
            {
                "package": fix.package, "architecture": "amd64", "from": fix.installed, "to": fix.candidate,
                "origin": "Debian", "archive": "stable-security", "source": fix.source, "cves": list(fix.cves),
                "cves_complete": True,
            }
        ],
        "held": [], "failed": [], "repaired": [], "conffiles_kept": [],
        "reboot": {"required": False, "packages": [], "since": None},
        "lists": {"state": "fresh", "updated_at": format_utc(start), "errors": []},
        "lock": {"waited_s": 0.0, "held_s": 7.5, "by": None}, "downloaded_bytes": 1_240_000, "duration_s": 41.0,
    }  # fmt: skip


def demo_batch(host: DemoHost, report: dict[str, Any], events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the `maestro.batch/1` that brings a host's events and its report."""
    state = {
        "key": demo_uuid(f"state {host.name}"), "kind": "state", "sequence": 1, "created_at": report["generated_at"],
        "body": report,
    }  # fmt: skip
    return {
        "schema": "maestro.batch/1", "host_id": host.host_id, "instance_id": host.instance_id,
        "agent_version": host.agent_version, "sent_at": report["generated_at"], "messages": [*events, state],
    }  # fmt: skip
