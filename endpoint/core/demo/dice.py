"""Numbers that look random and are the same in every demo. Pure."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

Chosen = TypeVar("Chosen")


class Dice:
    """A sequence of numbers that a text begins."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._thrown = 0

    def number(self, below: int) -> int:
        """Return the next number, from 0."""
        self._thrown += 1
        digest = hashlib.sha256(f"{self._seed}/{self._thrown}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % below

    def between(self, low: int, high: int) -> int:
        """Return the next number of a range, both ends included."""
        return low + self.number(high - low + 1)

    def pick(self, values: Sequence[Chosen]) -> Chosen:
        """Return one of the values."""
        return values[self.number(len(values))]

    def some(self, values: Sequence[Chosen], count: int) -> list[Chosen]:
        """Return so many different values, or all."""
        left = list(values)
        return [left.pop(self.number(len(left))) for _ in range(min(count, len(left)))]


def demo_uuid(text: str) -> str:
    """Return the UUID that stands for a text."""
    digits = hashlib.sha256(text.encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"
