"""The reboot slots as a page shows them, limited to the hosts that a person sees. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from endpoint.core.host_id import parse_host_id
from endpoint.core.timestamps import parse_utc


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotHolder:
    """A client that holds a slot."""

    client_id: str
    host_id: str | None
    name: str
    since: datetime
    seen: datetime
    reason: str | None
    address: str | None
    stale: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotWaiter:
    """A client that waits for a slot."""

    client_id: str
    host_id: str | None
    name: str
    since: datetime
    asked: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRelease:
    """A slot that a person released."""

    group: str
    client_id: str
    host_id: str | None
    name: str
    at: datetime
    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotGroup:
    """A group of hosts."""

    name: str
    configured: bool
    slots: int
    reboot_s: int | None
    holders: tuple[SlotHolder, ...]
    waiting: tuple[SlotWaiter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotView:
    """All of it."""

    groups: tuple[SlotGroup, ...]
    releases: tuple[SlotRelease, ...]
    limited: bool
    """Whether hosts outside of the person's scope are left out."""


def client_host(client_id: str, host_id: str | None) -> str | None:
    """Return the host of a client: by its credentials, or by its id where that is a host id, as maestro-agent's."""
    dashed = "-".join((client_id[:8], client_id[8:12], client_id[12:16], client_id[16:20], client_id[20:]))
    return host_id or parse_host_id(client_id) or parse_host_id(dashed)


def hosts_of(document: Mapping[str, Any]) -> set[str]:
    """Return the ids of all hosts in `maestro.locks/1`."""
    parts = [*document["releases"], *(one for group in document["groups"] for one in _clients(group))]
    found = {client_host(one["client_id"], one["host_id"]) for one in parts}
    return {host for host in found if host is not None}


def slot_view(document: Mapping[str, Any], visible: Mapping[str, str], *, limited: bool) -> SlotView:
    """Return what is shown of `maestro.locks/1`; `visible`: names of hosts by id; `limited`: only what is of them."""

    def shown(part: Mapping[str, Any]) -> bool:
        return not limited or client_host(part["client_id"], part["host_id"]) in visible

    groups = (_group(group, visible, shown) for group in document["groups"])
    return SlotView(
        groups=tuple(group for group in groups if not limited or group.holders or group.waiting),
        releases=tuple(_release(one, visible) for one in document["releases"] if shown(one)),
        limited=limited,
    )


def _name(one: Mapping[str, Any], visible: Mapping[str, str]) -> str:
    return visible.get(client_host(one["client_id"], one["host_id"]) or "", one["client_id"])


def _clients(group: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [*group["holders"], *group["waiting"]]


def _group(
    group: Mapping[str, Any], visible: Mapping[str, str], shown: Callable[[Mapping[str, Any]], bool]
) -> SlotGroup:
    return SlotGroup(
        name=group["name"],
        configured=group["configured"],
        slots=group["slots"],
        reboot_s=group["reboot_s"],
        holders=tuple(_holder(one, visible) for one in group["holders"] if shown(one)),
        waiting=tuple(
            SlotWaiter(
                client_id=one["client_id"],
                host_id=client_host(one["client_id"], one["host_id"]),
                name=_name(one, visible),
                since=parse_utc(one["since"]),
                asked=parse_utc(one["last_asked_at"]),
            )
            for one in group["waiting"]
            if shown(one)
        ),
    )


def _holder(one: Mapping[str, Any], visible: Mapping[str, str]) -> SlotHolder:
    return SlotHolder(
        client_id=one["client_id"],
        host_id=client_host(one["client_id"], one["host_id"]),
        name=_name(one, visible),
        since=parse_utc(one["since"]),
        seen=parse_utc(one["last_seen_at"]),
        reason=one["reason"],
        address=one["address"],
        stale=one["stale"],
    )


def _release(one: Mapping[str, Any], visible: Mapping[str, str]) -> SlotRelease:
    return SlotRelease(
        group=one["group"],
        client_id=one["client_id"],
        host_id=client_host(one["client_id"], one["host_id"]),
        name=_name(one, visible),
        at=parse_utc(one["released_at"]),
        by=one["released_by"],
        why=one["why"],
    )
