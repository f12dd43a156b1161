"""A filtered, sorted list of hosts as the query of an address: a view is a link. Pure.

Values of one parameter are alternatives; different parameters must all hold.
"""

import base64
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar
from urllib.parse import urlencode

from endpoint.core.host_columns import clean
from endpoint.core.host_id import UUID
from endpoint.core.host_states import HostState
from endpoint.core.whole_number import whole_number
from endpoint.errors import RefusedError

Choice = TypeVar("Choice", bound=Enum)
PAGE = 200
MAX_PAGE = 1000
_MAX_TEXT = 256
_CURSORS = ("after", "before")
_MAX_CURSOR = 2048
"""The longest names by which hosts are sorted, of four bytes each, in Base64."""
_MAX_VALUES = 1000
_MAX_ROW = 2**31
_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")


class HostSort(Enum):
    """What a list is sorted by; equal ones by their row."""

    NAME = "name"
    SEEN = "seen"
    PENDING = "pending"
    HELD = "held"
    EXPOSED = "exposed"
    """By the oldest fix that is not active."""
    RELEASE = "release"
    VERSION = "version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a page begins: after, or with `back` before, the row with these values."""

    value: str | float
    row: int
    back: bool = False

    @classmethod
    def decode(cls, text: str, *, back: bool) -> "Cursor":
        """Read a cursor.

        Raises:
            ValueError: it is none.
        """
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        value, row = json.loads(base64.urlsafe_b64decode(padded))
        if type(row) is not int or not 0 <= row < _MAX_ROW or not _is_sorted_by(value):
            raise ValueError(text)
        return cls(value=value, row=row, back=back)

    def encode(self) -> str:
        """Return the cursor as text for an address."""
        text = json.dumps([self.value, self.row], separators=(",", ":"), ensure_ascii=False)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _is_sorted_by(value: object) -> bool:
    """Return whether a column by which lists are sorted can have the value: others would be an error of a database."""
    if isinstance(value, str):
        return "\0" not in value and value == clean(value)
    if isinstance(value, float):
        return math.isfinite(value)
    return type(value) is int and abs(value) < _MAX_ROW


@dataclass(frozen=True, slots=True, kw_only=True)
class HostQuery:
    """Which hosts, in which order, from where on."""

    states: tuple[HostState, ...] = ()
    tags: tuple[str, ...] = ()
    """The endpoint's own, or the hosts'."""
    groups: tuple[str, ...] = ()
    """Groups of the fleet lock."""
    releases: tuple[str, ...] = ()
    """As `debian 12`."""
    versions: tuple[str, ...] = ()
    """Of the agent."""
    host_ids: tuple[str, ...] = ()
    package: str | None = None
    """Pending or held there."""
    cve: str | None = None
    """Not yet active there."""
    exposed: bool = False
    """Only hosts that are on the exposure clock, with a fix that is not active: `exposed=1`."""
    text: str | None = None
    """Part of the name, or a host id."""
    sort: HostSort = HostSort.NAME
    descending: bool = False
    cursor: Cursor | None = None
    limit: int = PAGE

    @classmethod
    def parse(cls, pairs: Iterable[tuple[str, str]], *, ignored: Iterable[str] = ()) -> "HostQuery":
        """Read the parameters of an address: `request.args.items(multi=True)`. Empty values count as absent.

        Raises:
            RefusedError: 400, a parameter is unknown or its value invalid.
        """
        values: dict[str, list[str]] = {}
        for name, text in pairs:
            if text.strip() and name not in set(ignored):
                values.setdefault(name, []).append(text.strip())
        for name, texts in values.items():
            if name not in _KNOWN:
                raise RefusedError(400, f"{name[:64]!a} is no parameter of a list of hosts")
            if len(texts) > (_MAX_VALUES if name in _REPEATED else 1):
                raise RefusedError(400, f"{name}: given too often")
            longest = _MAX_CURSOR if name in _CURSORS else _MAX_TEXT
            if any(len(text) > longest or "\0" in text for text in texts):
                raise RefusedError(400, f"{name}: longer than {longest} characters, or with a NUL")
        return cls._read({name: tuple(dict.fromkeys(texts)) for name, texts in values.items()})

    @classmethod
    def of_hosts(cls, host_ids: Iterable[str]) -> "HostQuery":
        """Return the query for named hosts; an empty name is none, and does not select the whole fleet.

        Raises:
            RefusedError: 400, one is no host id, or there are none or too many.
        """
        names = list(host_ids)
        if not names or not all(UUID.fullmatch(name.strip().lower()) for name in names):
            raise RefusedError(400, "host: must be a host id")
        return cls.parse([("host", name) for name in names])

    @classmethod
    def _read(cls, values: dict[str, tuple[str, ...]]) -> "HostQuery":
        sort = _one(values, "sort") or HostSort.NAME.value
        cve = (_one(values, "cve") or "").upper() or None
        if cve is not None and not _CVE.fullmatch(cve):
            raise RefusedError(400, "cve: must be as CVE-2026-12345")
        host_ids = tuple(text.lower() for text in values.get("host", ()))
        if not all(map(UUID.fullmatch, host_ids)):
            raise RefusedError(400, "host: must be a host id")
        if _one(values, "exposed") not in {None, "1"}:
            raise RefusedError(400, "exposed: must be 1")
        return cls(
            states=tuple(_choice(HostState, "state", text) for text in values.get("state", ())),
            tags=values.get("tag", ()),
            groups=values.get("group", ()),
            releases=values.get("release", ()),
            versions=values.get("version", ()),
            host_ids=host_ids,
            package=_one(values, "package"),
            cve=cve,
            exposed="exposed" in values,
            text=_one(values, "q"),
            sort=_choice(HostSort, "sort", sort.removeprefix("-")),
            descending=sort.startswith("-"),
            cursor=_cursor(values),
            limit=_limit(_one(values, "limit")),
        )

    def pairs(self) -> list[tuple[str, str]]:
        """Return the parameters of the filter and the order, without the page: hidden fields of a form."""
        sort = f"{'-' if self.descending else ''}{self.sort.value}"
        return [
            *(("state", state.value) for state in self.states),
            *(("tag", tag) for tag in self.tags),
            *(("group", group) for group in self.groups),
            *(("release", release) for release in self.releases),
            *(("version", version) for version in self.versions),
            *(("host", host_id) for host_id in self.host_ids),
            *((name, text) for name, text in (("package", self.package), ("cve", self.cve), ("q", self.text)) if text),
            *([("exposed", "1")] if self.exposed else []),
            *([("sort", sort)] if sort != HostSort.NAME.value else []),
        ]

    def to_query(self) -> str:
        """Return the canonical query of an address, without `?`; empty: all hosts."""
        pairs = self.pairs()
        if self.limit != PAGE:
            pairs.append(("limit", str(self.limit)))
        if self.cursor is not None:
            pairs.append(("before" if self.cursor.back else "after", self.cursor.encode()))
        return urlencode(pairs)

    @property
    def named(self) -> tuple[str, ...]:
        """Return the host ids of a query that has no other condition: each of them is meant; else none."""
        alone = all(name in {"host", "sort"} for name, _ in self.pairs())
        return tuple(dict.fromkeys(self.host_ids)) if alone else ()

    def at(self, cursor: Cursor | None) -> "HostQuery":
        """Return the same list from there on; None: from its start."""
        return replace(self, cursor=cursor)


_REPEATED = frozenset({"state", "tag", "group", "release", "version", "host"})
_KNOWN = _REPEATED | {"package", "cve", "exposed", "q", "sort", "after", "before", "limit"}


def _one(values: dict[str, tuple[str, ...]], name: str) -> str | None:
    return values[name][0] if name in values else None


def _choice(kind: type[Choice], name: str, text: str) -> Choice:
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(str(choice.value) for choice in kind)
        raise RefusedError(400, f"{name}: must be one of {known}") from None


def _cursor(values: dict[str, tuple[str, ...]]) -> Cursor | None:
    found = [name for name in _CURSORS if name in values]
    if len(found) > 1:
        raise RefusedError(400, "after, before: only one of them")
    for name in found:
        try:
            return Cursor.decode(values[name][0], back=name == "before")
        except (ValueError, TypeError, RecursionError):
            raise RefusedError(400, f"{name}: is not from a link of this list") from None
    return None


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE
    found = whole_number(text, MAX_PAGE)
    if not found:
        raise RefusedError(400, f"limit: must be between 1 and {MAX_PAGE}")
    return found
