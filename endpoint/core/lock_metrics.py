"""The slots in Prometheus' text format. Pure."""

from datetime import datetime

from endpoint.core.lock_report import LockGroup, Locks, LockSettings

_PREFIX = "maestro_endpoint_lock"
_HELP = {
    "slots": "Hosts of the group that may reboot at the same time.",
    "holders": "Hosts of the group that hold a slot.",
    "waiting": "Hosts of the group that were refused a slot and ask again.",
    "stale_holders": "Hosts of the group that have held a slot for longer than locks.stale_after.",
    "oldest_holder_timestamp_seconds": "When the longest holder of the group got its slot.",
}


def lock_metrics(locks: Locks, now: datetime, settings: LockSettings) -> str:
    """Return the page; a group's name needs no escaping (`core.locks.is_group`)."""
    used = {group.name: group for group in locks.groups}
    groups = [used.get(name, LockGroup(name=name, mean_hold_s=None)) for name in sorted({*settings.slots, *used})]
    values = {group.name: _values(group, now.timestamp(), settings) for group in groups}
    lines = []
    for metric, text in _HELP.items():
        lines += [f"# HELP {_PREFIX}_{metric} {text}", f"# TYPE {_PREFIX}_{metric} gauge"]
        lines += [
            f'{_PREFIX}_{metric}{{group="{name}"}} {found[metric]}' for name, found in values.items() if metric in found
        ]
    return "\n".join(lines) + "\n"


def _values(group: LockGroup, now_s: float, settings: LockSettings) -> dict[str, float]:
    latest = now_s - settings.stale_after.total_seconds()
    values: dict[str, float] = {
        "slots": settings.slots.get(group.name, 0),
        "holders": len(group.holders),
        "waiting": len(group.waiting),
        "stale_holders": sum(holder.since_s < latest for holder in group.holders),
    }
    if group.holders:
        values["oldest_holder_timestamp_seconds"] = round(group.holders[0].since_s, 3)
    return values
