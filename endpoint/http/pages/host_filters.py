"""The form above the list of hosts, and the links that change one part of its query."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from endpoint.core.fleet_model import Overview
from endpoint.core.host_query import HostQuery, HostSort
from endpoint.http.pages.looks import HOST_LOOKS, host_look

_LABELS = {
    "state": "state", "tag": "tag", "group": "lock group", "release": "release", "version": "agent",
    "host": "host", "package": "package", "cve": "fix", "exposed": "exposed", "q": "name",
}  # fmt: skip
_IN_FORM = ("state", "tag", "release", "group", "package", "cve", "q")
_MOST_CHIPS = 12
_DESCENDING_FIRST = frozenset({HostSort.PENDING, HostSort.HELD, HostSort.SEEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One condition in force, and the address of the list without it."""

    label: str
    value: str
    without: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SortLink:
    """The head of a column: the address that sorts by it, and the present order as `aria-sort` has it."""

    address: str
    order: str | None


class Filters:
    """What the form shows for a query."""

    def __init__(self, query: HostQuery, overview: Overview, tags: Sequence[tuple[str, int]]) -> None:
        self.query = query
        self._pairs = query.pairs()
        self.states: Sequence[tuple[str, str]] = [(state, look.label) for state, look in HOST_LOOKS.items()]
        self.tags = _options(tags)
        self.groups = _options(overview.groups)
        self.releases = _options([(name, hosts) for name, hosts in overview.hosts_by_release if name is not None])

    def value(self, name: str) -> str:
        """Return the first value of a parameter; "": it is not set."""
        return next((value for key, value in self._pairs if key == name), "")

    def hidden(self) -> list[tuple[str, str]]:
        """Return what the form keeps without showing a control for it: second values, and the order."""
        shown: set[str] = set()
        kept = []
        for name, value in self._pairs:
            if name in _IN_FORM and name not in shown:
                shown.add(name)
            else:
                kept.append((name, value))
        return kept

    def chips(self) -> list[Chip]:
        """Return the conditions in force."""
        conditions = [pair for pair in self._pairs if pair[0] != "sort"]
        return [
            Chip(
                label=_LABELS[name],
                value=_shown(name, value),
                without=_address([pair for pair in self._pairs if pair != (name, value)]),
            )
            for name, value in conditions[:_MOST_CHIPS]
        ]

    def sort(self, name: str) -> SortLink:
        """Return the head of a column: a second click turns the order round."""
        by, query = HostSort(name), self.query
        is_current = query.sort is by
        descending = not query.descending if is_current else by in _DESCENDING_FIRST
        turned = replace(query, sort=by, descending=descending, cursor=None)
        order = ("descending" if query.descending else "ascending") if is_current else None
        return SortLink(address=_address(turned.pairs()), order=order)


def _shown(name: str, value: str) -> str:
    """Return a condition as people read it."""
    if name == "exposed":
        return "by a fix that is not active"
    return host_look(value).label if name == "state" else value


def _options(counts: Sequence[tuple[str, int]]) -> list[tuple[str, str]]:
    return [(text, f"{text} ({hosts:,})") for text, hosts in counts]


def _address(pairs: Sequence[tuple[str, str]]) -> str:
    return f"/hosts?{urlencode(pairs)}" if pairs else "/hosts"
