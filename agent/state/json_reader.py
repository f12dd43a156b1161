"""Reads JSON from outside (the record, requests): a malformed value is a RecordError that names its place.

Unless noted, a reader raises RecordError if the field is missing or has another type. Light: `status` imports it.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from agent.errors import RecordError
from agent.state.timestamps import parse_utc

_LARGEST = 1e15
"""Upper bound of every number: no document needs more, floats hold it exactly, and it excludes NaN and infinity."""


class JsonReader:
    """A JSON object; `place` is its position for error messages."""

    def __init__(self, value: object, place: str) -> None:
        if not isinstance(value, Mapping):
            raise RecordError(f"{place}: an object was expected, found {_kind(value)}")
        self._value: Mapping[str, object] = value
        self._place = place

    @property
    def raw(self) -> Mapping[str, object]:
        """The object, unchanged."""
        return self._value

    def text(self, key: str) -> str:
        """Return a string."""
        value = self._value.get(key)
        if not isinstance(value, str):
            raise self._wrong(key, "a string", value)
        return value

    def optional_text(self, key: str) -> str | None:
        """Return a string; None for null and absent."""
        return None if self._value.get(key) is None else self.text(key)

    def time(self, key: str) -> datetime:
        """Return a time in UTC."""
        try:
            return parse_utc(self.text(key))
        except ValueError as error:
            raise self._wrong(key, "a time in UTC", self._value.get(key)) from error

    def optional_time(self, key: str) -> "datetime | None":
        """Return a time in UTC; None for null and absent."""
        return None if self._value.get(key) is None else self.time(key)

    def number(self, key: str) -> float:
        """Return a number; true and false are not numbers."""
        value = self._value.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _LARGEST:
            raise self._wrong(key, "a number", value)
        return value

    def boolean(self, key: str) -> bool:
        """Return true or false."""
        value = self._value.get(key)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return value

    def optional_boolean(self, key: str) -> bool | None:
        """Return true or false; None for null and absent."""
        return None if self._value.get(key) is None else self.boolean(key)

    def child(self, key: str) -> "JsonReader":
        """Return an object."""
        return JsonReader(self._value.get(key), f"{self._place}: {key}")

    def optional_child(self, key: str) -> "JsonReader | None":
        """Return an object; None for null and absent."""
        return None if self._value.get(key) is None else self.child(key)

    def children(self, key: str) -> "Iterator[JsonReader]":
        """Iterate over a list of objects."""
        for place, value in enumerate(self._list(key)):
            yield JsonReader(value, f"{self._place}: {key}[{place}]")

    def optional_children(self, key: str) -> "Iterator[JsonReader]":
        """Iterate over a list of objects; nothing for null and absent, as in documents of earlier versions."""
        return iter(()) if self._value.get(key) is None else self.children(key)

    def texts(self, key: str) -> list[str]:
        """Return a list of strings."""
        values = self._list(key)
        found = [value for value in values if isinstance(value, str)]
        if len(found) != len(values):
            raise self._wrong(key, "a list of strings", values)
        return found

    def optional_texts(self, key: str) -> list[str] | None:
        """Return a list of strings; None for null and absent."""
        return None if self._value.get(key) is None else self.texts(key)

    def optional_range(self, key: str) -> tuple[float, float] | None:
        """Return a list of two numbers, the lower one first; None for null and absent."""
        if self._value.get(key) is None:
            return None
        values = self._list(key)
        found = [one for one in values if isinstance(one, int | float) and not isinstance(one, bool)]
        if len(found) != 2 or len(values) != 2 or not -_LARGEST < found[0] <= found[1] < _LARGEST:  # noqa: PLR2004 - two bounds
            raise self._wrong(key, "two numbers", values)
        return found[0], found[1]

    def count(self, key: str) -> int:
        """Return the length of a list."""
        return len(self._list(key))

    def _list(self, key: str) -> list[object]:
        value = self._value.get(key)
        if not isinstance(value, list):
            raise self._wrong(key, "a list", value)
        return value

    def _wrong(self, key: str, wanted: str, value: object) -> RecordError:
        return RecordError(f"{self._place}: {key}: {wanted} was expected, found {_kind(value)}")


def _kind(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
