"""Chooses the hosts of a deployment, from the rows of `maestro.fleet/1`. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from endpoint.core.text import clean
from endpoint.errors import UsageError


class LeftOut(Enum):
    """Why a selected host gets no request."""

    NO_REQUESTS = "takes-no-requests"
    """Its last contact did not say that it takes requests: its configuration allows none, or its agent is older."""
    SHARED_ID = "shares-its-id"
    """Several machines report under its id, as clones do: each would carry the request out."""
    TOO_OLD = "too-old"
    """Its agent is of a version without requests."""
    SILENT = "silent"
    """It was not heard of lately."""
    NOT_ALLOWED = "not-allowed"
    """Its configuration does not allow the verb."""
    NO_WINDOW = "no-window"
    """It has no maintenance window for the verb."""
    NOTHING_PENDING = "nothing-pending"
    """There is nothing to do."""
    HELD = "held"
    """All of it is held back there."""
    PAST_END = "past-end"
    """Its release gets no security updates any more, and nothing is pending."""
    UNKNOWN = "unknown"
    """It was named, and is no host that the person sees: mistyped, forgotten, or outside of the scope."""
    PLAN_UNKNOWN = "plan-unknown"
    """Exactly the previewed plan was ordered, and the host has reported none."""
    BLOCKED = "blocked"
    """Docker or Weave cannot be upgraded there now; its plan has the reasons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenHost:
    """A host, and its name if it has reported one."""

    host_id: str
    name: str | None
    asks_for_signature: bool = False
    """It takes only what a person has signed."""
    takes_requests: bool = True
    """Else its request waits until it does."""

    @property
    def label(self) -> str:
        """Return what people call it, as text for a terminal: a host chooses its name itself."""
        return clean(self.name or self.host_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The hosts of a deployment."""

    hosts: tuple[ChosenHost, ...]
    left_out: tuple[tuple[ChosenHost, LeftOut], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person asks for: hosts by name or id, by tag, or all."""

    names: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    everyone: bool = False


def choose(rows: Sequence[Mapping[str, Any]], tags: Mapping[str, Iterable[str]], wanted: Wanted) -> Choice:
    """Return the hosts, each once; `tags` by host id.

    A host that is named is chosen though it takes no requests now: its request waits.

    Raises:
        UsageError: a name is unknown or that of several hosts, or nothing is left.
    """
    named = {row["host_id"]: row for name in wanted.names for row in [find_host(rows, name)]}
    for row in named.values():
        if row["agents"] > 1:
            raise UsageError(f"{_chosen(row).label}: several machines report under this id; `fleet` shows them")
    unused = [tag for tag in wanted.tags if not any(tag in found for found in tags.values())]
    if unused:
        raise UsageError(f"no host has the tag {', '.join(unused)}; `maestro-endpoint tag` lists the tags")
    group = {
        row["host_id"]: row
        for row in rows
        if wanted.everyone or not set(wanted.tags).isdisjoint(tags.get(row["host_id"], ()))
    }
    refused = {host: why for host, row in group.items() if host not in named if (why := _left_out(row))}
    chosen = named.keys() | (group.keys() - refused.keys())
    hosts = [row for row in rows if row["host_id"] in chosen]
    if not group and not hosts:
        raise UsageError("no chosen host has reported, or none has lately; `maestro-endpoint fleet` shows all")
    if not hosts:
        raise UsageError(
            f"of the {len(group)} chosen none takes requests ([requests] allow in the host's configuration)"
        )
    return Choice(
        hosts=tuple(map(_chosen, hosts)),
        left_out=tuple((_chosen(row), refused[row["host_id"]]) for row in rows if row["host_id"] in refused),
    )


def find_host(rows: Iterable[Mapping[str, Any]], text: str) -> Mapping[str, Any]:
    """Return the host with this id or name.

    Raises:
        UsageError: there is none, or there are several.
    """
    found = [row for row in rows if text in (row["host_id"], row["name"])]
    if not found:
        raise UsageError(f"{text[:256]!a} is no host that has reported; `maestro-endpoint fleet` shows all")
    if len(found) > 1:
        raise UsageError(f"{text[:256]!a} is the name of {len(found)} hosts: give the id")
    return found[0]


def _left_out(row: Mapping[str, Any]) -> LeftOut | None:
    if row["agents"] > 1:
        return LeftOut.SHARED_ID
    return None if row["takes_requests"] else LeftOut.NO_REQUESTS


def _chosen(row: Mapping[str, Any]) -> ChosenHost:
    return ChosenHost(
        host_id=row["host_id"],
        name=row["name"],
        asks_for_signature=bool(row["requests_signed"]),
        takes_requests=row["takes_requests"],
    )
