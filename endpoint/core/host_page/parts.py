"""Reads parts of a document that an agent sent: what has another type than expected is unknown. Pure.

Documents have passed their schema; members that a newer agent adds, and those of an engine's plan, were not checked.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from endpoint.core.timestamps import parse_utc

_MAX_TEXT = 4096
_MAX_ITEMS = 10_000


class Part:
    """One object of a document; empty where there is none."""

    def __init__(self, raw: object) -> None:
        self._raw: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing in it."""
        return not self._raw

    def text(self, name: str) -> str | None:
        """Return text, shortened to 4,096 characters; None: unknown."""
        found = self._raw.get(name)
        return found[:_MAX_TEXT] if isinstance(found, str) else None

    def word(self, name: str) -> str:
        """Return text; "unknown" if it is unknown."""
        return self.text(name) or "unknown"

    def whole(self, name: str) -> int | None:
        """Return a whole number; None: unknown."""
        found = self._raw.get(name)
        return found if type(found) is int else None

    def number(self, name: str) -> float | None:
        """Return a number; None: unknown."""
        found = self._raw.get(name)
        return _number(found)

    def flag(self, name: str) -> bool | None:
        """Return a truth value; None: unknown."""
        found = self._raw.get(name)
        return found if isinstance(found, bool) else None

    def moment(self, name: str) -> datetime | None:
        """Return a time; None: unknown."""
        try:
            return parse_utc(self.text(name) or "")
        except ValueError:
            return None

    def child(self, name: str) -> "Part":
        """Return an object; empty: there is none."""
        return Part(self._raw.get(name))

    def children(self, name: str) -> tuple["Part", ...]:
        """Return the objects of a list."""
        return tuple(Part(one) for one in self._list(name) if isinstance(one, Mapping))

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts of a list."""
        return tuple(one[:_MAX_TEXT] for one in self._list(name) if isinstance(one, str))

    def texts_or_none(self, name: str) -> tuple[str, ...] | None:
        """Return the texts of a list; None: it is unknown."""
        return self.texts(name) if isinstance(self._raw.get(name), list) else None

    def span(self, name: str) -> tuple[float, float] | None:
        """Return a pair of numbers, at least and at most; None: unknown."""
        numbers = [_number(one) for one in self._list(name)]
        known = [one for one in numbers if one is not None]
        return (known[0], known[1]) if len(known) == len(numbers) == 2 else None  # noqa: PLR2004 - a pair

    def _list(self, name: str) -> list[Any]:
        found = self._raw.get(name)
        return found[:_MAX_ITEMS] if isinstance(found, list) else []


def _number(found: object) -> float | None:
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        return None
    return float(found)
