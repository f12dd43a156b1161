"""The slots as a document: who holds one since when and why, and who waits. Pure; unknown is None."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from endpoint.core.fleet import Stream
from endpoint.core.host_id import parse_host_id
from endpoint.core.locks import Holder
from endpoint.core.timestamps import format_utc

SCHEMA = "maestro.locks/1"
_NAMED_PACKAGES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingClient:
    """A client in the queue of its group."""

    client_id: str
    host_id: str | None
    since_s: float
    asked_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LockGroup:
    """A group that was used."""

    name: str
    mean_hold_s: float | None
    holders: tuple[Holder, ...] = ()
    """The longest holder first."""
    waiting: tuple[WaitingClient, ...] = ()
    """In the order in which they are served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRelease:
    """A slot that a person released."""

    group: str
    client_id: str
    host_id: str | None
    since_s: float
    released_s: float
    released_by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Locks:
    """All that the database has of slots."""

    groups: tuple[LockGroup, ...] = ()
    releases: tuple[LockRelease, ...] = ()
    """The latest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockSettings:
    """What the configuration says of slots."""

    slots: Mapping[str, int]
    """By group."""
    stale_after: timedelta


class Hosts:
    """The hosts that report, by their ids."""

    def __init__(self, streams: Iterable[Stream]) -> None:
        newest: dict[str, Stream] = {}
        for stream in streams:
            known = newest.get(stream.host_id)
            if known is None or known.last_seen_at < stream.last_seen_at:
                newest[stream.host_id] = stream
        self._newest = newest

    def find(self, client_id: str, host_id: str | None) -> Stream | None:
        """Return the host of a client."""
        found = _client_host(client_id, host_id)
        return self._newest.get(found) if found is not None else None


def client_hosts(locks: Locks) -> frozenset[str]:
    """Return the ids of the hosts that hold slots, wait for them or were released."""
    clients = [
        *((holder.client_id, holder.host_id) for group in locks.groups for holder in group.holders),
        *((client.client_id, client.host_id) for group in locks.groups for client in group.waiting),
        *((release.client_id, release.host_id) for release in locks.releases),
    ]
    found = (_client_host(client_id, host_id) for client_id, host_id in clients)
    return frozenset(host_id for host_id in found if host_id is not None)


def locks_document(locks: Locks, streams: Iterable[Stream], now: datetime, settings: LockSettings) -> dict[str, Any]:
    """Return `maestro.locks/1`: all configured groups, and others with holders or waiting clients."""
    hosts, used = Hosts(streams), {group.name: group for group in locks.groups}
    names = set(settings.slots) | {name for name, group in used.items() if group.holders or group.waiting}
    return {
        "schema": SCHEMA,
        "generated_at": format_utc(now),
        "groups": [
            _group(used.get(name, LockGroup(name=name, mean_hold_s=None)), hosts, now, settings)
            for name in sorted(names)
        ],
        "releases": [_release(release, hosts) for release in locks.releases],
    }


def locks_by_host(
    locks: Locks, streams: Iterable[Stream], now: datetime, settings: LockSettings
) -> dict[str, dict[str, Any]]:
    """Return the longest-held slot of each reporting host, by host id: `lock` of `maestro.fleet/1`."""
    hosts, found = Hosts(streams), {}
    held = [holder for group in locks.groups for holder in group.holders]
    for holder in sorted(held, key=lambda holder: holder.since_s, reverse=True):
        host = hosts.find(holder.client_id, holder.host_id)
        if host is not None:
            document = _holder(holder, host, now, settings.stale_after)
            kept = {name: document[name] for name in ("since", "reason", "stale")}
            found[host.host_id] = {"group": holder.group, **kept}
    return found


def _holder(holder: Holder, host: Stream | None, now: datetime, stale_after: timedelta) -> dict[str, Any]:
    since = _moment(holder.since_s)
    seen = max([_moment(holder.last_asked_s), *([host.last_seen_at] if host is not None else [])])
    return {
        "client_id": holder.client_id,
        "host_id": host.host_id if host is not None else holder.host_id,
        "name": _name(host),
        "since": format_utc(since),
        "last_seen_at": format_utc(seen),
        "reason": holder.reason or _reported_reason(host),
        "address": holder.address or None,
        "stale": now - since > stale_after,
    }


def _group(group: LockGroup, hosts: Hosts, now: datetime, settings: LockSettings) -> dict[str, Any]:
    return {
        "name": group.name,
        "configured": group.name in settings.slots,
        "slots": settings.slots.get(group.name, 0),
        "reboot_s": round(group.mean_hold_s) if group.mean_hold_s is not None else None,
        "holders": [
            _holder(holder, hosts.find(holder.client_id, holder.host_id), now, settings.stale_after)
            for holder in group.holders
        ],
        "waiting": [_waiting(client, hosts.find(client.client_id, client.host_id)) for client in group.waiting],
    }


def _waiting(client: WaitingClient, host: Stream | None) -> dict[str, Any]:
    return {
        "client_id": client.client_id,
        "host_id": host.host_id if host is not None else client.host_id,
        "name": _name(host),
        "since": format_utc(_moment(client.since_s)),
        "last_asked_at": format_utc(_moment(client.asked_s)),
    }


def _release(release: LockRelease, hosts: Hosts) -> dict[str, Any]:
    host = hosts.find(release.client_id, release.host_id)
    return {
        "group": release.group,
        "client_id": release.client_id,
        "host_id": host.host_id if host is not None else release.host_id,
        "name": _name(host),
        "since": format_utc(_moment(release.since_s)),
        "released_at": format_utc(_moment(release.released_s)),
        "released_by": release.released_by,
        "why": release.why,
    }


def _name(host: Stream | None) -> str | None:
    name = ((host.state or {}).get("host") or {}).get("name") if host is not None else None
    return str(name) if name else None


def _reported_reason(host: Stream | None) -> str | None:
    """Return why the host has to reboot, by its last report."""
    reboot = ((host.state or {}).get("reboot") or {}) if host is not None else {}
    if not reboot.get("required"):
        return None
    packages = [str(package) for package in reboot.get("packages") or ()]
    named = ", ".join(packages[:_NAMED_PACKAGES]) + (" and others" if len(packages) > _NAMED_PACKAGES else "")
    return f"reboot required: {named}" if packages else "reboot required"


def _client_host(client_id: str, host_id: str | None) -> str | None:
    """Return the host id of a client: by its credentials, or its own id where that is a host id, as maestro-agent's."""
    return host_id or parse_host_id(client_id) or parse_host_id(_dashed(client_id))


def _dashed(text: str) -> str:
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
