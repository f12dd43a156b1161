"""Reads JSON of the engine, whose shape is not relied on."""

from collections.abc import Iterator
from typing import Any

from agent.core.redact import redact
from agent.errors import HostError

_LONGEST = 500


class Fields:
    """One JSON object. Readers of a missing field return None or nothing; of a wrong type they raise HostError."""

    def __init__(self, value: Any, place: str) -> None:
        """Take a value; None counts as an empty object, as Go has it. Raises HostError: it is no object."""
        if value is not None and not isinstance(value, dict):
            raise HostError(f"{place}: not an object")
        self._values: dict[str, Any] = value or {}
        self._place = place

    def child(self, key: str) -> "Fields":
        """Return an object; empty if it is missing."""
        return Fields(self._values.get(key), f"{self._place}.{key}")

    def keys(self) -> list[str]:
        """Return the names of the fields, sorted."""
        return sorted(redact(key)[:_LONGEST] for key in self._values)

    def text(self, key: str) -> str:
        """Return a text, redacted and shortened; empty if it is missing."""
        return redact(self._get(key, str, ""))[:_LONGEST]

    def flag(self, key: str) -> bool | None:
        """Return a truth value; None if it is missing."""
        found: bool | None = self._get(key, bool, None)
        return found

    def number(self, key: str) -> int | None:
        """Return an integer; None if it is missing."""
        value = self._get(key, int, None)
        return None if value is None or isinstance(value, bool) else value

    def items(self, key: str) -> list[Any]:
        """Return a list; empty if it is missing or null."""
        found: list[Any] = self._get(key, list, [])
        return found

    def objects(self, key: str) -> Iterator["Fields"]:
        """Yield the objects of a list."""
        for value in self.items(key):
            yield Fields(value, f"{self._place}.{key}")

    def required(self, key: str) -> str:
        """Return a text that must be there. Raises HostError."""
        text = self.text(key)
        if not text:
            raise HostError(f"{self._place}.{key}: missing")
        return text

    def _get(self, key: str, kind: type, default: Any) -> Any:
        value = self._values.get(key)
        if value is None:
            return default
        if not isinstance(value, kind):
            raise HostError(f"{self._place}.{key}: not of type {kind.__name__}")
        return value
