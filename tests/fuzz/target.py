"""What the fuzzer drives: a parser of foreign text, the inputs to start from, and the errors that it documents."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.mutation import Choices, as_json, damaged

CHECKOUT = Path(__file__).resolve().parent.parent.parent
Parse = Callable[[bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One parser. `prepare` gets an empty directory in memory and returns the parser, which may raise only `errors`."""

    name: str
    prepare: Callable[[Path], Parse]
    seeds: tuple[bytes, ...]
    errors: tuple[type[Exception], ...] = ()

    def run(self, parse: Parse, data: bytes) -> None:
        """Parse one input; a documented error is a good end."""
        try:
            parse(data)
        except self.errors:
            return


def golden(name: str) -> Any:
    """Return a golden document."""
    return json.loads((CHECKOUT / f"tests/golden/{name}.json").read_text(encoding="utf-8"))


def documents(originals: Sequence[Any]) -> Callable[[bytes], bytes]:
    """Return a function from fuzzed bytes to JSON: damaged originals, and one time in eight the bytes themselves."""

    def encode(data: bytes) -> bytes:
        choices = Choices(data)
        if choices.below(8) == 0:
            return choices.rest()
        return as_json(damaged(choices.one_of(originals), choices))

    return encode


CHOICES = tuple(bytes([1, *range(start, start + 12)]) for start in range(0, 240, 12))
"""Seeds for `documents`."""
