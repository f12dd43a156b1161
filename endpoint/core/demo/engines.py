"""Docker and Weave on an invented host, as `maestro.engine-plan/1`. Pure."""

from datetime import datetime, timedelta
from typing import Any

from endpoint.core.demo.dice import Dice
from endpoint.core.timestamps import format_utc

_CONTAINERS = ("nginx", "api", "sidekiq", "redis", "statsd", "cron")


def engine_plan(component: str, name: str, now: datetime, *, restart_pending: bool) -> dict[str, Any]:
    """Return the plan of one component; `restart_pending`: another version runs than the one that is installed."""
    dice, is_docker = Dice(f"{component} {name}"), component == "docker"
    installed = "28.5.2" if is_docker else "2.9.0"
    running = {"docker": "28.4.0", "weave": "2.8.7"}[component] if restart_pending else installed
    containers = _containers(dice, restart_pending=restart_pending) if is_docker else []
    expected = [3.0, 9.5] if restart_pending else None
    return {
        "schema": "maestro.engine-plan/1",
        "generated_at": format_utc(now),
        "id": "5d0c2a8e41b7" if restart_pending else None,
        "component": component,
        "unseen": None,
        "seen_at": format_utc(now),
        "flavour": "docker-ce" if is_docker else "weaveworks",
        "installed": installed,
        "running": running,
        "running_known": True,
        "wanted": installed,
        "candidate": installed,
        "packages": [],
        "restart_needed": restart_pending,
        "restart_pending": restart_pending,
        "downtime": {"expected_s": expected, "basis": ["measured 3"] if restart_pending else []},
        "containers": containers,
        "blocked": _blocked() if restart_pending else [],
        "warnings": [],
        "order": ["restart", "start", "verify"] if restart_pending else [],
        "held_fixes": [],
        "window": _window(now),
        "last_upgrade": _last_upgrade(installed, now - timedelta(days=dice.between(12, 70))),
    }


def _containers(dice: Dice, *, restart_pending: bool) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{dice.number(16**12):012x}",
            "name": f"{name}-1",
            "state": "running",
            "policy": "unless-stopped",
            "will": "restarts" if restart_pending else "keeps-running",
            "downtime_s": [3.0, 12.0] if restart_pending else [0.0, 0.0],
        }
        for name in dice.some(_CONTAINERS, dice.between(2, 5))
    ]


def _blocked() -> list[dict[str, Any]]:
    return [{"why": "outside-window", "detail": "the maintenance window is closed", "values": []}]


def _window(now: datetime) -> dict[str, Any]:
    opens = (now + timedelta(days=(6 - now.weekday()) % 7 or 7)).replace(hour=2, minute=0, second=0, microsecond=0)
    return {
        "text": "Sun 02:00-05:00 UTC", "opens_at": format_utc(opens),
        "closes_at": format_utc(opens + timedelta(hours=3)),
    }  # fmt: skip


def _last_upgrade(version: str, at: datetime) -> dict[str, Any]:
    return {
        "id": f"{at:%Y%m%dT%H%M%SZ}", "result": "upgraded", "started_at": format_utc(at),
        "finished_at": format_utc(at + timedelta(seconds=48)), "from": "28.3.3", "to": version, "running": version,
        "engine_s": 4.2, "containers_lost": [], "message": "",
    }  # fmt: skip
