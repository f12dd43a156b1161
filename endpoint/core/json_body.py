"""Parses request bodies; all limits are checked before any value is built. Pure."""

import json
import math
import re
import zlib

from endpoint.errors import RefusedError

MAX_COMPRESSED_BYTES = 1 << 20
MAX_BYTES = 16 << 20
MAX_DEPTH = 32
MAX_VALUES = 300_000
"""A byte of JSON can take dozens in memory: `{}` is one value of 64 bytes."""
_GZIP = 16 + zlib.MAX_WBITS
_STRINGS = re.compile(rb'"[^"]*(?:"|\Z)')
_MAX_QUOTES = 4 * MAX_VALUES
_TOO_MANY = f"the body holds more than {MAX_VALUES} values"
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def inflate(data: bytes) -> bytes:
    """Inflate gzip to at most `MAX_BYTES`.

    Raises:
        RefusedError: not gzip, cut short, followed by other data, or too large.
    """
    unpacking = zlib.decompressobj(_GZIP)
    try:
        inflated = unpacking.decompress(data, MAX_BYTES + 1)
    except zlib.error as error:
        raise RefusedError(400, f"the body is not gzip: {error}") from error
    if len(inflated) > MAX_BYTES:
        raise RefusedError(413, f"the body holds more than {MAX_BYTES} bytes when inflated")
    if not unpacking.eof:
        raise RefusedError(400, "the gzip body is cut short")
    if unpacking.unused_data:
        raise RefusedError(400, "other data follows the gzip body")
    return inflated


def parse_json(data: bytes) -> object:
    """Parse JSON.

    Raises:
        RefusedError: not JSON or UTF-8, nested deeper than `MAX_DEPTH`, or more than `MAX_VALUES` values.
    """
    if len(data) > MAX_BYTES:
        raise RefusedError(413, f"the body holds more than {MAX_BYTES} bytes")
    bare = _bare(data)
    if sum(map(bare.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise RefusedError(413, _TOO_MANY)
    if _depth(bare) > MAX_DEPTH:
        raise RefusedError(400, f"the JSON is nested more than {MAX_DEPTH} deep")
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise RefusedError(400, f"the body is not UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise RefusedError(400, f"the body is not JSON: {error.msg} (character {error.pos})") from error
    except (
        ValueError,
        RecursionError,
    ) as error:  # a number with thousands of digits; brackets hidden in malformed strings
        raise RefusedError(400, f"the body is not JSON in supported form: {error}") from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


def _bare(data: bytes) -> bytes:
    """Remove all strings, in linear time, also unterminated ones."""
    plain = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    if plain.count(b'"') > _MAX_QUOTES:
        raise RefusedError(413, _TOO_MANY)
    return _STRINGS.sub(b"", plain)


def _depth(bare: bytes) -> int:
    """Return the nesting depth of brackets; undefined for malformed JSON."""
    brackets = bare.translate(None, _NO_BRACKETS)
    depth = deepest = 0
    for bracket in brackets:
        if bracket in b"[{":
            depth += 1
            deepest = max(deepest, depth)
            if deepest > MAX_DEPTH:
                break
        else:
            depth -= 1
    return deepest
