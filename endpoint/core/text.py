"""The fleet and its gaps as text for people. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from endpoint.core.fleet import Stream
from endpoint.core.host_columns import ended_s
from endpoint.core.timestamps import format_age, parse_utc

_HEAD = ("HOST", "SEEN", "HEALTH", "PENDING", "HELD", "REBOOT", "LAST RUN", "EVENTS", "ID")
_MAX_NAMES = 8


def fleet_lines(document: Mapping[str, Any], now: datetime) -> list[str]:
    """Render `maestro.fleet/1`: a table, and a summary line."""
    hosts = document["hosts"]
    if not hosts:
        return ["no host has reported yet"]
    return [*table([_HEAD, *(_row(host, now) for host in hosts)]), *_clone_lines(hosts), "", _summary(hosts, now)]


def gap_lines(streams: Iterable[Stream]) -> list[str]:
    """Render one line for each stream with missing, lost or rejected events."""
    lines = []
    for stream in streams:
        name = ((stream.state or {}).get("host") or {}).get("name") or "-"
        parts = [
            f"{label} {', '.join(map(str, spans))}"
            for label, spans in (
                ("missing", stream.gaps.missing),
                ("lost", stream.gaps.lost),
                ("rejected", stream.gaps.refused),
            )
            if spans
        ]
        if parts:
            lines.append(f"{clean(name)} ({stream.host_id}, outbox {stream.instance_id}): {'; '.join(parts)}")
    return lines or ["no gaps"]


def _clone_lines(hosts: Iterable[Mapping[str, Any]]) -> list[str]:
    """Name hosts under whose id several agents report; each row shows only the one heard of last."""
    clones = [host for host in hosts if host["agents"] > 1]
    lines = [
        f"{host['host_id']}: {host['agents']} agents report under this id "
        f"({', '.join(map(clean, host['agent_names'][:_MAX_NAMES])) or 'names unknown'})"
        for host in clones
    ]
    remedy = (
        "Machines must not share /etc/machine-id: remove it on each clone, run `systemd-machine-id-setup`, and reboot."
    )
    return ["", *lines, remedy] if lines else []


def _row(host: Mapping[str, Any], now: datetime) -> tuple[str, ...]:
    seen = format_age(parse_utc(host["last_seen_at"]), now)
    events = [f"{host[f'{kind}_events']} {kind}" for kind in ("missing", "lost") if host[f"{kind}_events"]]
    return (
        clean(host["name"] or "-"),
        f"{seen}, SILENT" if host["silent"] else seen,
        clean(host["health"] or "?"),
        _count(host["pending"]),
        _count(host["held"]),
        f"{_reboot(host, now)}{_slot(host, now)}",
        clean(host["last_result"] or "-"),
        ", ".join(events) or "complete",
        host["host_id"],
    )


def _count(number: int | None) -> str:
    return "?" if number is None else str(number)


def _reboot(host: Mapping[str, Any], now: datetime) -> str:
    if host["reboot_required"] is None:
        return "?"
    if not host["reboot_required"]:
        return "no"
    try:
        return f"since {format_age(parse_utc(host['reboot_since'] or ''), now)}"
    except ValueError:  # unknown, or made up by an agent
        return "required"


def _slot(host: Mapping[str, Any], now: datetime) -> str:
    """Return how long the host has held a reboot slot."""
    lock = host["lock"]
    if lock is None:
        return ""
    return f", slot held for {format_age(parse_utc(lock['since']), now)}{' (STALE)' if lock['stale'] else ''}"


def clean(text: str, most: int = 64) -> str:
    """Replace control characters, which could move the cursor: a host chooses its own name."""
    return "".join(character if character.isprintable() else "?" for character in text)[:most]


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align the columns of rows."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _summary(hosts: Sequence[Mapping[str, Any]], now: datetime) -> str:
    counts = {
        "pending": sum(bool(host["pending"]) for host in hosts),
        "with held updates": sum(bool(host["held"]) for host in hosts),
        "to reboot": sum(bool(host["reboot_required"]) for host in hosts),
        "past the end of security updates": sum(_has_ended(host, now) for host in hosts),
        "silent": sum(host["silent"] for host in hosts),
        "with missing events": sum(bool(host["missing_events"]) for host in hosts),
        "sharing an id": sum(host["agents"] > 1 for host in hosts),
        "with a stale slot": sum(host["lock"] is not None and host["lock"]["stale"] for host in hosts),
    }
    for seldom in ("past the end of security updates", "sharing an id", "with a stale slot"):
        if not counts[seldom]:
            del counts[seldom]
    summary = ", ".join(f"{count} {what}" for what, count in counts.items())
    return f"{len(hosts)} host{'s' if len(hosts) != 1 else ''}: {summary}"


def _has_ended(host: Mapping[str, Any], now: datetime) -> bool:
    """Whether the release is past its end, which it may have reached since the host reported."""
    end_s = ended_s({"support": host["release_support"], "until": host["release_until"]})
    return end_s is not None and end_s <= now.timestamp()
