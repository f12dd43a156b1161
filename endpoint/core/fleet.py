"""The fleet as a table: one row per host, built from its streams.

Pure: `now` is an argument. What no agent has reported is None.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from endpoint.core.gaps import Gaps, total
from endpoint.core.timestamps import format_utc

SCHEMA = "maestro.fleet/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One outbox of a host, and its latest report."""

    host_id: str
    instance_id: str
    agent_version: str
    first_seen_at: datetime
    last_seen_at: datetime
    reported_at: datetime | None
    state: Mapping[str, Any] | None
    """The parts of its last `maestro.report/1` that lists show; None: no report is stored."""
    events: int
    highest_event: int
    refused: int
    gaps: Gaps
    takes_requests: bool = False
    """Whether its last contact said that the host takes requests."""


def fleet_document(
    streams: Iterable[Stream],
    now: datetime,
    silent_after: timedelta,
    locks: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return `maestro.fleet/1`; `streams` must be grouped by host, `locks` are the slots by host id."""
    by_host = [list(group) for _, group in groupby(streams, key=lambda stream: stream.host_id)]
    hosts = [_host(group, now, silent_after) for group in by_host]
    for host in hosts:
        host["lock"] = (locks or {}).get(host["host_id"])
    hosts.sort(key=lambda host: (host["name"] or "", host["host_id"]))
    return {"schema": SCHEMA, "generated_at": format_utc(now), "hosts": hosts}


def _host(streams: list[Stream], now: datetime, silent_after: timedelta) -> dict[str, Any]:
    newest = max(streams, key=lambda stream: stream.last_seen_at)
    state = newest.state or {}
    agents = [newest, *_others_at_work(streams, newest, now - silent_after)]
    return {
        "host_id": newest.host_id,
        "name": _part(state, "host").get("name"),
        "agents": len(agents),
        "agent_names": sorted({name for agent in agents if (name := _part(agent.state or {}, "host").get("name"))}),
        "agent_version": newest.agent_version,
        "last_seen_at": format_utc(newest.last_seen_at),
        "takes_requests": newest.takes_requests,
        "requests_signed": _part(state, "requests").get("signed"),
        "silent": abs(now - newest.last_seen_at) > silent_after,
        "reported_at": format_utc(newest.reported_at) if newest.reported_at else None,
        # Of clones, one may be fine while another is not.
        "health": state.get("health") if len(agents) == 1 else None,
        "release_support": _part(state, "release").get("support"),
        "release_until": _part(state, "release").get("until"),
        "pending": _part(state, "updates").get("security_pending"),
        "held": _part(state, "updates").get("held"),
        "reboot_required": _part(state, "reboot").get("required"),
        "reboot_since": _part(state, "reboot").get("since"),
        "kernel_outdated": _part(state, "kernel").get("outdated"),
        "last_result": _part(state, "last_outcome").get("result"),
        "waiting_events": _queued(newest, _part(state, "outbox")),
        "missing_events": sum(total(stream.gaps.missing) for stream in streams),
        "lost_events": sum(total(stream.gaps.lost) for stream in streams),
        "refused_messages": sum(stream.refused for stream in streams),
    }


def _others_at_work(streams: list[Stream], newest: Stream, since: datetime) -> list[Stream]:
    """Return streams that still report beside the newest one: machines that share its id, as clones of an image do.

    The stream of an agent that was installed again ended before the new one began.
    """
    return [
        stream for stream in streams if stream is not newest and stream.last_seen_at > max(since, newest.first_seen_at)
    ]


def _queued(stream: Stream, outbox: Mapping[str, Any]) -> int | None:
    """Return how many events queued when the state was written have not arrived since; None: unknown."""
    depth, last_written = outbox.get("depth"), outbox.get("last_sequence")
    if depth is None or last_written is None:
        return None
    return max(0, min(int(depth), int(last_written) - stream.highest_event))


def _part(state: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part: Mapping[str, Any] = state.get(name) or {}
    return part
