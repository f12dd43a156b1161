"""Reports of hosts in all kinds of states, for the lists of the fleet."""

import random
from datetime import datetime, timedelta, timezone
from typing import Any

from tests.support.messages import Outbox, Raw, report

NOW = datetime(2026, 11, 23, 8, 10, tzinfo=timezone.utc)
WHYS = ("held-by-admin", "phased", "soaking", "conffile")


def patched(box: Outbox, name: str = "web1", **changes: Any) -> Raw:
    """Return the state of a host of which nothing is to be done."""
    box.others += 1
    body = report(box.host, box.instance, state_hash=f"{box.others:016x}", name=name)
    at = moment(NOW)
    healthy: Raw = {
        "health": "healthy", "reasons": [], "lists": {"state": "fresh", "updated_at": at, "errors": [], "sources": []},
        "last_outcome": None, "reboot": {"required": False, "packages": [], "since": None},
        "release": {
            "distribution": "Debian", "version": "12", "codename": "bookworm", "support": "supported",
            "phase": "standard", "until": "2028-06-30", "unknown": None, "phases": [],
        },
        "exposure": {"pending": 0, "installed": 0, "oldest_since": None, "fixes": []},
    }  # fmt: skip
    body |= healthy
    body["updates"] |= {"security_pending": 0, "held": 0, "items": [], "held_items": [], "repair": []}
    body["updates"] |= {"other": 0, "hidden_security": 0, "esm_only": 0, "esm_only_items": []}
    for part, value in changes.items():
        body[part] = body[part] | value if isinstance(value, dict) and isinstance(body.get(part), dict) else value
    return {"key": f"s-{box.others}-{box.instance}", "kind": "state", "sequence": box.others, "created_at": at,
            "body": body}  # fmt: skip


def update(package: str = "openssl", *cves: str) -> Raw:
    return {
        "package": package, "architecture": "amd64", "installed": "1.0-1", "candidate": "1.0-2", "origin": "Debian",
        "archive": "stable-security", "new": False, "security": True, "download_bytes": 1, "cves": list(cves),
        "cves_complete": True,
    }  # fmt: skip


def pending(*updates: Raw) -> Raw:
    return {"security_pending": len(updates), "items": list(updates)}


def moment(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def held(name: str, why: str, *cves: str) -> Raw:
    return {
        "package": name, "architecture": "amd64", "installed": "1", "candidate": "2", "why": why, "detail": "",
        "cves": list(cves), "cves_complete": None,
    }  # fmt: skip


def random_state(box: Outbox, chance: random.Random, now: datetime) -> Raw:
    """Return a state in which any part may be ill, unknown, or missing as from an earlier version."""
    changes = {part: make(chance, now) for part, make in _PARTS.items() if chance.random() < _ILL}
    return patched(box, name=chance.choice(["web", "db", "Ärger", "x\x00y", "web%_"]), **changes)


_ILL = 0.2
"""Of each part: one host in seven is patched."""


def _lists(chance: random.Random, now: datetime) -> Raw | None:
    age = timedelta(days=chance.choice([0, 1, 3]))
    source = {"source": "s", "security": True, "verified_at": moment(now - age), "released_at": None}
    state = chance.choice(["fresh", "fresh", "partial", "stale", "never"])
    known: Raw = {"state": state, "updated_at": moment(now), "errors": [], "sources": [source]}
    return chance.choice([None, known, known, known])


def _updates(chance: random.Random, _now: datetime) -> Raw:
    cves = [f"CVE-2026-{number}" for number in range(1000, 1012)]
    items = [update(name, *chance.sample(cves, 2)) for name in chance.sample(["openssl", "curl", "libc6"], 2)]
    kept = [held(name, chance.choice(WHYS), *chance.sample(cves, 1)) for name in chance.sample(["bash", "vim"], 1)]
    repair = [{"package": "dash", "architecture": "amd64", "state": "half-configured"}]
    return chance.choice(
        [
            {"security_pending": None, "held": None, "items": None, "held_items": None, "repair": None},
            {"security_pending": 2, "items": items},
            {"held": 1, "held_items": kept},
            {"scope": "all", "items": [{**items[0], "security": False, "archive": "stable"}]},
            {"other": 2, "hidden_security": 1},
            {"esm_only": 1, "esm_only_items": [{**kept[0], "why": "esm-only"}]},
            {"security_pending": 2, "items": items, "held": 1, "held_items": kept},
            {"repair": repair},
        ]
    )


def _release(chance: random.Random, now: datetime) -> Raw | None:
    support = chance.choice(["supported", "extended", "ended", "unknown"])
    until = chance.choice([None, "2028-06-30", (now - timedelta(days=2)).strftime("%Y-%m-%d"), "2026-99-99"])
    return chance.choice([None, {"support": support, "until": until}, {"support": support, "until": until}])


def _exposure(chance: random.Random, now: datetime) -> Raw | None:
    counts = chance.choice([(None, None), (0, 1), (2, 0), (3, None), (1, 2)])
    known: Raw = {
        "pending": counts[0],
        "installed": counts[1],
        "oldest_since": moment(now - timedelta(days=4)),
        "fixes": [],
    }
    return chance.choice([None, known, known])


def _engine(chance: random.Random, _now: datetime) -> Raw | None:
    known: Raw = {"schema": "maestro.engine-plan/1", "component": "docker", "unseen": None, "installed": "28.1",
             "restart_pending": chance.random() < 0.5, "running_known": True}  # fmt: skip
    unknown = {"restart_pending": False, "running_known": False}
    return chance.choice([None, known, {**known, "unseen": "no-socket"}, {**known, **unknown}])


def _reboot(chance: random.Random, now: datetime) -> Raw | None:
    required = {"required": True, "packages": ["linux-image"], "since": moment(now)}
    return chance.choice([None, required, required])


_PARTS: dict[str, Any] = {
    "lists": _lists,
    "updates": _updates,
    "release": _release,
    "exposure": _exposure,
    "docker": _engine,
    "reboot": _reboot,
    "health": lambda chance, _now: chance.choice(["attention", "unknown", "grown"]),
    "last_outcome": lambda chance, _now: {
        "id": "r", "result": chance.choice(["updated", "failed", "interrupted", "degraded", "busy"]),
        "started_at": moment(_now), "finished_at": None, "upgraded": 0, "failed": [], "message": "",
    },
    "reboots": lambda chance, _now: {"last": {"result": chance.choice(["rebooted", "failed"])}},
    "fleet_lock": lambda chance, _now: {"group": chance.choice(["web", "db", None])},
}  # fmt: skip
