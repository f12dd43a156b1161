"""The report of an invented host, as `maestro.report/1`. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from endpoint.core.demo.dice import Dice, demo_uuid
from endpoint.core.demo.engines import engine_plan
from endpoint.core.demo.roster import DemoHost, Mood
from endpoint.core.demo.troubles import DemoStage, OpenFix
from endpoint.core.timestamps import format_utc

Raw = dict[str, Any]
_STALE_DAYS = 6


def seen_at(host: DemoHost, now: datetime) -> datetime:
    """Return when a host was heard of last."""
    dice = Dice(f"seen {host.name}")
    if host.mood is Mood.SILENT:
        return now - timedelta(days=dice.between(1, 9), minutes=dice.between(3, 900))
    return now - timedelta(seconds=dice.between(5, 290))


def demo_report(host: DemoHost, open_now: Sequence[OpenFix], now: datetime, *, events: int) -> Raw:
    """Return the report; `events` is the number of its events so far."""
    dice, at = Dice(f"report {host.name}"), seen_at(host, now)
    checked = at - timedelta(minutes=dice.between(2, 340))
    pending = [one for one in open_now if one.stage is DemoStage.PENDING]
    held = [one for one in open_now if one.stage is DemoStage.HELD]
    return {
        "schema": "maestro.report/1",
        "generated_at": format_utc(at),
        "hash": f"{dice.number(16**16):016x}",
        "host": _host(host, dice, at),
        "agent": _agent(host, dice, at),
        "kernel": _kernel(host),
        "release": _release(host),
        "snoozes": [_snooze(one, now) for one in held if one.why == "snoozed"],
        "soak": _soak(dice) if host.mood is Mood.SOAKING else None,
        "lists": _lists(host, checked),
        "updates": _updates(host, pending, held, checked),
        "last_outcome": _last_outcome(host, dice, checked),
        "reboot": _reboot(open_now),
        "reboots": _reboots(host, now),
        "fleet_lock": None,
        "services": {
            "deleted_files": [str(one.fix.unit) for one in open_now if one.fix.unit and host.mood is Mood.RESTART],
            "failed_restarts": [],
        },
        "exposure": _exposure(host, open_now),
        "docker": engine_plan("docker", host.name, checked, restart_pending=_engine(host)) if host.docker else None,
        "weave": engine_plan("weave", host.name, checked, restart_pending=False) if host.weave else None,
        "jobs": _jobs(host, dice, checked),
        "requests": _requests(host),
        "outbox": {
            "depth": 0, "bytes": 0, "oldest_at": None, "dropped": 0, "refused": 0, "last_sequence": events,
        },
        "warnings": [],
        "health": _health(host),
        "reasons": _reasons(host, pending, held),
    }  # fmt: skip


def _engine(host: DemoHost) -> bool:
    return host.mood is Mood.ENGINE


def _host(host: DemoHost, dice: Dice, at: datetime) -> Raw:
    release = host.release
    return {
        "id": host.host_id, "instance_id": host.instance_id, "boot_id": demo_uuid(f"boot {host.name}"),
        "booted_at": format_utc(at - timedelta(days=dice.between(3, 80))), "name": host.name,
        "os": {"id": release.distribution, "version": release.version, "codename": release.codename},
        "architecture": "arm64" if dice.number(9) == 0 else "amd64", "tags": list(host.agent_tags),
    }  # fmt: skip


def _agent(host: DemoHost, dice: Dice, at: datetime) -> Raw:
    return {
        "version": host.agent_version, "started_at": format_utc(at - timedelta(days=dice.between(1, 20))),
        "state": "idle", "automatic": "on", "patcher": "agent",
    }  # fmt: skip


def _kernel(host: DemoHost) -> Raw:
    is_old = host.mood is Mood.REBOOT
    newest = host.release.next_kernel
    return {"running": host.release.kernel if is_old else newest, "newest": newest, "outdated": is_old}


def _release(host: DemoHost) -> Raw:
    has_ended = host.mood is Mood.ENDED
    return {
        "distribution": host.release.distribution, "version": host.release.version, "codename": host.release.codename,
        "support": "ended" if has_ended else "supported", "phase": None if has_ended else "standard",
        "until": host.release.until, "unknown": None,
        "phases": [{"name": "standard", "until": host.release.until, "covered": True}],
    }  # fmt: skip


def _lists(host: DemoHost, checked: datetime) -> Raw:
    is_stale = host.mood is Mood.STALE
    at = checked - timedelta(days=_STALE_DAYS) if is_stale else checked
    site = "security.ubuntu.com/ubuntu" if host.release.distribution == "ubuntu" else "deb.debian.org/debian-security"
    source = f"http://{site} {host.release.codename}-security"
    fault = {"source": source, "fault": "unreachable", "detail": "Connection timed out", "security": True}
    return {
        "state": "stale" if is_stale else "fresh",
        "updated_at": format_utc(at),
        "errors": [fault] if is_stale else [],
        "sources": [
            {
                "source": source, "security": True, "verified_at": format_utc(at),
                "released_at": format_utc(at - timedelta(hours=5)),
            }
        ],
    }  # fmt: skip


def _updates(host: DemoHost, pending: Sequence[OpenFix], held: Sequence[OpenFix], checked: datetime) -> Raw:
    if host.mood is Mood.UNKNOWN:
        names = ("seen_at", "scope", "security_pending", "held", "other", "hidden_security", "items", "held_items")
        return {**dict.fromkeys(names), "repair": None}
    broken = [{"package": "mariadb-server", "architecture": "amd64", "state": "half-configured"}]
    return {
        "seen_at": format_utc(checked), "scope": "security", "security_pending": len(pending), "held": len(held),
        "other": Dice(f"other {host.name}").number(9), "hidden_security": 0, "esm_only": 0, "esm_only_items": [],
        "plan_id": f"{Dice(f'plan {host.name}').number(16**12):012x}" if pending else None,
        "items": [_update(one) for one in pending], "held_items": [_held(one) for one in held],
        "repair": broken if host.mood is Mood.FAILED else [],
    }  # fmt: skip


def _update(one: OpenFix) -> Raw:
    return {
        "package": one.fix.package, "architecture": "amd64", "installed": one.fix.installed,
        "candidate": one.fix.candidate, "origin": "Debian", "archive": "stable-security", "new": False,
        "security": True, "download_bytes": 1_240_000, "source": one.fix.source, "cves": list(one.fix.cves),
        "cves_complete": True,
    }  # fmt: skip


def _held(one: OpenFix) -> Raw:
    return {
        "package": one.fix.package, "architecture": "amd64", "installed": one.fix.installed,
        "candidate": one.fix.candidate, "why": one.why, "detail": one.detail,
        "until": format_utc(one.until) if one.until is not None else None, "source": one.fix.source,
        "cves": list(one.fix.cves), "cves_complete": True,
    }  # fmt: skip


def _snooze(one: OpenFix, now: datetime) -> Raw:
    return {
        "what": one.fix.package, "until": format_utc(one.until or now), "comment": "release freeze", "by": "alice",
        "at": format_utc(now - timedelta(days=2)),
    }  # fmt: skip


def _soak(dice: Dice) -> Raw:
    week = 7 * 86400
    return {"security_s": week, "other_s": 2 * week, "rollout_s": 0, "cohort": dice.number(100), "override": []}


def _last_outcome(host: DemoHost, dice: Dice, checked: datetime) -> Raw | None:
    if host.mood is Mood.UNKNOWN:
        return None
    at = checked - timedelta(hours=dice.between(1, 60))
    has_failed = host.mood is Mood.FAILED
    error = "installed post-installation script returned error exit status 1"
    failure = {
        "package": "mariadb-server:amd64", "stage": "configure", "error": error,
        "detail": "dpkg state: half-configured",
    }  # fmt: skip
    return {
        "id": f"{at:%Y%m%dT%H%M%SZ}", "result": "failed" if has_failed else "updated", "started_at": format_utc(at),
        "finished_at": format_utc(at + timedelta(seconds=dice.between(9, 140))), "upgraded": dice.between(1, 6),
        "failed": [failure] if has_failed else [], "message": "1 failed" if has_failed else "",
    }  # fmt: skip


def _reboot(open_now: Sequence[OpenFix]) -> Raw:
    waiting = [one for one in open_now if one.stage is DemoStage.INSTALLED and one.fix.waits_for == "reboot"]
    since = min((one.installed_at for one in waiting if one.installed_at is not None), default=None)
    return {
        "required": bool(waiting), "packages": [one.fix.package for one in waiting],
        "since": format_utc(since) if since is not None else None,
    }  # fmt: skip


def _reboots(host: DemoHost, now: datetime) -> Raw:
    waiting = {"gate": "window", "why": "outside-window", "detail": "the window Sun 02:00-05:00 UTC is closed"}
    opens = (now + timedelta(days=(6 - now.weekday()) % 7 or 7)).replace(hour=2, minute=0, second=0, microsecond=0)
    is_due = host.mood is Mood.REBOOT
    return {
        "last": None, "scheduled": None, "next_at": format_utc(opens) if is_due else None,
        "waiting": waiting if is_due else None,
    }  # fmt: skip


def _exposure(host: DemoHost, open_now: Sequence[OpenFix]) -> Raw | None:
    if host.mood is Mood.UNKNOWN:
        return None
    installed = sum(one.stage is DemoStage.INSTALLED for one in open_now)
    oldest = min((one.fix.published_at for one in open_now), default=None)
    return {
        "pending": len(open_now) - installed, "installed": installed,
        "oldest_since": format_utc(oldest) if oldest is not None else None,
        "fixes": [_inactive(one) for one in sorted(open_now, key=lambda one: one.fix.published_at)],
    }  # fmt: skip


def _inactive(one: OpenFix) -> Raw:
    is_installed = one.stage is DemoStage.INSTALLED
    return {
        "package": one.fix.package, "architecture": "amd64", "source": one.fix.source, "version": one.fix.candidate,
        "stage": "installed" if is_installed else "pending", "pending_since": format_utc(one.fix.published_at),
        "installed_at": format_utc(one.installed_at) if one.installed_at is not None else None,
        "waits_for": one.fix.waits_for if is_installed else "upgrade",
        "units": [one.fix.unit] if is_installed and one.fix.unit else [],
    }  # fmt: skip


def _jobs(host: DemoHost, dice: Dice, checked: datetime) -> Raw:
    def job(hours: int, code: int, failures: int) -> Raw:
        at = checked - timedelta(hours=hours)
        return {
            "last_started_at": format_utc(at), "last_finished_at": format_utc(at + timedelta(seconds=31)),
            "last_exit_code": code, "consecutive_failures": failures,
            "next_at": format_utc(at + timedelta(hours=6 if hours == 0 else 24)),
        }  # fmt: skip

    is_stale, has_failed = host.mood is Mood.STALE, host.mood is Mood.FAILED
    return {
        "check": job(0, 6 if is_stale else 0, 14 if is_stale else 0),
        "upgrade": job(dice.between(1, 20), 1 if has_failed else 0, 2 if has_failed else 0),
    }


def _requests(host: DemoHost) -> Raw:
    verbs = ["check", "send-report", "upgrade-security", "upgrade-fixes", "reboot-if-required", "apply-docker"]
    if host.kind == "mail":
        verbs = verbs[:2]
    return {"allow": verbs, "signed": host.kind == "dns", "windows": ["reboot-if-required"]}


def _health(host: DemoHost) -> str:
    if host.mood is Mood.UNKNOWN:
        return "unknown"
    return "healthy" if host.mood is Mood.PATCHED else "attention"


def _reasons(host: DemoHost, pending: Sequence[OpenFix], held: Sequence[OpenFix]) -> list[str]:
    plural = "s are" if len(held) > 1 else " is"
    found = {
        f"{len(pending)} security update{'s' if len(pending) > 1 else ''} pending": bool(pending),
        f"{len(held)} security update{plural} held back": bool(held),
        "a reboot is required": host.mood is Mood.REBOOT,
        "services run replaced files": host.mood is Mood.RESTART,
        "Docker: a restart of the engine is pending": host.mood is Mood.ENGINE,
        "the package lists are stale": host.mood is Mood.STALE,
        "the release gets no security updates any more": host.mood is Mood.ENDED,
        "packages unfinished or broken: mariadb-server": host.mood is Mood.FAILED,
    }
    return [reason for reason, holds in found.items() if holds]
