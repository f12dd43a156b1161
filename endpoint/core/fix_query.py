"""A filtered, sorted list of fixes as the query of an address. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlencode

from endpoint.core.host_query import PAGE
from endpoint.core.whole_number import whole_number
from endpoint.errors import RefusedError

_MAX_OFFSET = 10_000_000
_MAX_TEXT = 64


class FixSort(Enum):
    """What a list of fixes is sorted by."""

    HOSTS = "hosts"
    """By how many packages on hosts lack it."""
    CVE = "cve"
    FIRST_SEEN = "first-seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixQuery:
    """Which fixes, in which order, from which one on."""

    text: str | None = None
    """Part of the CVE id."""
    all_active: bool = False
    """Whether fixes that are active everywhere are listed, too: `active=1`."""
    exploited: bool = False
    """Whether only those are listed that are known to be exploited: `exploited=1`."""
    cves: tuple[str, ...] | None = None
    """Those of the notice that `text` names; not part of the address."""
    sort: FixSort = FixSort.HOSTS
    descending: bool = True
    offset: int = 0
    limit: int = PAGE

    @classmethod
    def parse(cls, pairs: Iterable[tuple[str, str]]) -> "FixQuery":
        """Read the parameters of an address. Empty values count as absent.

        Raises:
            RefusedError: 400, a parameter is unknown or its value invalid.
        """
        values = {name: text.strip() for name, text in pairs if text.strip()}
        unknown = sorted(set(values) - {"q", "active", "exploited", "sort", "offset"})
        if unknown:
            raise RefusedError(400, f"{unknown[0][:64]!a} is no parameter of a list of fixes")
        text, sort = values.get("q"), values.get("sort", "-hosts")
        if text is not None and (
            len(text) > _MAX_TEXT or not all(letter.isalnum() or letter == "-" for letter in text)
        ):
            raise RefusedError(400, "q: must be part of a CVE id")
        for name in ("active", "exploited"):
            if values.get(name, "1") != "1":
                raise RefusedError(400, f"{name}: must be 1")
        if sort.removeprefix("-") not in {kind.value for kind in FixSort}:
            raise RefusedError(400, f"sort: must be one of {', '.join(kind.value for kind in FixSort)}")
        offset = whole_number(values.get("offset", "0"), _MAX_OFFSET)
        if offset is None:
            raise RefusedError(400, f"offset: must be between 0 and {_MAX_OFFSET}")
        return cls(
            text=text,
            all_active="active" in values,
            exploited="exploited" in values,
            sort=FixSort(sort.removeprefix("-")),
            descending=sort.startswith("-"),
            offset=offset,
        )

    def to_query(self) -> str:
        """Return the canonical query of an address, without `?`."""
        sort = f"{'-' if self.descending else ''}{self.sort.value}"
        return urlencode(
            [
                *([("q", self.text)] if self.text else []),
                *([("active", "1")] if self.all_active else []),
                *([("exploited", "1")] if self.exploited else []),
                *([("sort", sort)] if sort != "-hosts" else []),
                *([("offset", str(self.offset))] if self.offset else []),
            ]
        )
