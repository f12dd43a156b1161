"""Reboot slots as text for people. Pure."""

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from endpoint.core.locks import MAX_ID, Holder, LockResult
from endpoint.core.text import clean, table
from endpoint.core.timestamps import format_age, parse_utc

_NAMED = 3
_HEAD = ("HOST", "HELD FOR", "SEEN", "ID", "WHY")
_MAX_WAITING = 10
_MAX_RELEASES = 5
_MAX_WHY = 256


def refusal(result: LockResult, now: datetime, *, with_holders: bool) -> str:
    """Return why a client gets no slot now; other clients are named to authenticated ones only."""
    if result.slots == 0:
        return "no host of this group may reboot: it has 0 slots"
    held = len(result.holders)
    parts = [f"{held} of {result.slots} slots {'are' if result.slots > 1 else 'is'} held"]
    if result.ahead:
        parts.append(f"{result.ahead} client{'s' if result.ahead > 1 else ''} asked earlier")
    if with_holders and held:
        named = [_holder(holder, now) for holder in result.holders[:_NAMED]]
        parts.append(f"held by {', '.join(named)}{' and others' if held > _NAMED else ''}")
    return "; ".join(parts)


def _holder(holder: Holder, now: datetime) -> str:
    return f"{holder.client_id} for {format_age(datetime.fromtimestamp(holder.since_s, timezone.utc), now)}"


def lock_lines(document: Mapping[str, Any], now: datetime) -> list[str]:
    """Render `maestro.locks/1`: for each group its holders and the head of its queue, then the latest releases."""
    lines = []
    for group in document["groups"]:
        lines += [*_group_lines(group, now), ""]
    if document["releases"]:
        lines.append("released by a person:")
        lines += [f"  {_release(release, now)}" for release in document["releases"][:_MAX_RELEASES]]
    return lines if document["releases"] else lines[:-1] or ["no groups are configured"]


def _group_lines(group: Mapping[str, Any], now: datetime) -> list[str]:
    holders, waiting = group["holders"], group["waiting"]
    about = f"{len(holders)} of {group['slots']} slots held, {len(waiting)} waiting"
    reboot = f", a reboot takes {group['reboot_s']} s" if group["reboot_s"] is not None else ""
    lines = [f"{group['name']}: {about}{reboot}{'' if group['configured'] else ' (not configured)'}"]
    if holders:
        lines += [f"  {line}" for line in table([_HEAD, *(_row(holder, now) for holder in holders)])]
    if waiting:
        named = ", ".join(_label(client) for client in waiting[:_MAX_WAITING])
        lines.append(f"  next: {named}{', ...' if len(waiting) > _MAX_WAITING else ''}")
    return lines


def _row(holder: Mapping[str, Any], now: datetime) -> tuple[str, ...]:
    age = format_age(parse_utc(holder["since"]), now)
    return (
        clean(holder["name"] or "-"),
        f"{age}, STALE" if holder["stale"] else age,
        format_age(parse_utc(holder["last_seen_at"]), now),
        clean(holder["client_id"], MAX_ID),
        clean(holder["reason"] or "-", _MAX_WHY),
    )


def _release(release: Mapping[str, Any], now: datetime) -> str:
    ago = format_age(parse_utc(release["released_at"]), now)
    by, why = clean(release["released_by"]), clean(release["why"], _MAX_WHY)
    return f"{_label(release)} ({release['group']}), {ago} ago, by {by}: {why}"


def _label(client: Mapping[str, Any]) -> str:
    return clean(client["name"] or client["client_id"])
