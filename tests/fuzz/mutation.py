"""Turns bytes into choices, and choices into damaged documents: what a coverage-guided fuzzer can steer."""

import copy
import json
from collections.abc import Sequence
from typing import Any, TypeVar

_T = TypeVar("_T")
_DEEP: Any = json.loads("[" * 90 + "]" * 90)
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    1.5,
    10**30,
    -(10**30),
    2**63,
    float("nan"),
    float("inf"),
    "",
    " ",
    "x" * 5000,
    "\x1b[2J",
    "\ud800",
    "\x00",
    "💥",
    "a\nb",
    "0",
    "-1",
    "1e400",
    "2026-11-23T08:10:00Z",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    "2026-11-23T08:10:00+23:59",
    "2026-13-45T99:99:99Z",
    [],
    {},
    [None],
    [[]],
    {"": None},
    {"a": {}},
    [""] * 50,
    _DEEP,
    "CVE-2026-1",
    "http://user:secret@host.example/",
    "%s%n{0}{",
    "../../etc/passwd",
    "-",
    "--help",
)
"""Replacements for a value; each has been a fault in some parser."""


class Choices:
    """Choices that bytes make; zeros once they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def below(self, limit: int) -> int:
        """Return a number from 0 up to, and not including, `limit`."""
        number = 0
        for _ in range(1 if limit <= 256 else 3):
            number = number * 256 + (self._data[self._at] if self._at < len(self._data) else 0)
            self._at += 1
        return number % limit

    def one_of(self, options: Sequence[_T]) -> _T:
        """Return one of the options."""
        return options[self.below(len(options))]

    def rest(self) -> bytes:
        """Return the bytes that were not used."""
        return self._data[self._at :]


def damaged(document: Any, choices: Choices) -> Any:
    """Return a copy of a JSON document with up to four values replaced, removed or added."""
    changed = copy.deepcopy(document)
    for _ in range(1 + choices.below(4)):
        _damage(changed, choices)
    return changed


def as_json(value: Any) -> bytes:
    """Encode a document; infinities and NaN as Python's json reads them."""
    return json.dumps(value).encode()


def _damage(document: Any, choices: Choices) -> None:
    node = document
    while isinstance(node, (dict, list)) and node:
        keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = choices.one_of(keys)
        if isinstance(node[key], (dict, list)) and node[key] and choices.below(4):
            node = node[key]
            continue
        action = choices.below(8)
        if action == 0:
            del node[key]
        elif action == 1 and isinstance(node, dict):
            node[choices.one_of(("", "schema", "x" * 300, "\x00"))] = copy.deepcopy(choices.one_of(VALUES))
        elif action == 1 and isinstance(node, list):
            node.insert(key, copy.deepcopy(choices.one_of(VALUES)))
        else:
            node[key] = copy.deepcopy(choices.one_of(VALUES))
        return
