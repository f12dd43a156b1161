"""The kinds of values that options take; each raises `argparse.ArgumentTypeError`, which becomes a usage error."""

import argparse
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta, timezone

from endpoint.core.people import is_tag, person_name
from endpoint.core.request_arguments import MAX_LIFETIME, fix_name
from endpoint.core.timestamps import parse_duration
from endpoint.core.whole_number import whole_number

_LONGEST = 256
_LONGEST_COMMENT = 200
_MOST_HOSTS = 1_000_000
_FARTHEST, _LAST_YEAR = timedelta(days=36_500), 9000
"""Of an end; a later one could not be added to, nor read in another time zone."""


def printable(text: str) -> str:
    """Return printable text of at most 256 characters."""
    if not text.isprintable() or len(text) > _LONGEST:
        raise argparse.ArgumentTypeError(f"not printable text of at most {_LONGEST} characters: {text[:_LONGEST]!a}")
    return text


def comment(text: str) -> str:
    """Return a comment: printable text of at most 200 characters."""
    if len(text) > _LONGEST_COMMENT:
        raise argparse.ArgumentTypeError(f"longer than {_LONGEST_COMMENT} characters")
    return printable(text)


def person(text: str) -> str:
    """Return a person's name, in lower case."""
    found = person_name(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"not a name of a-z, 0-9 and . _ @ + -, at most 64: {text[:64]!a}")
    return found


def tag(text: str) -> str:
    """Return a tag."""
    if not is_tag(text):
        raise argparse.ArgumentTypeError(f"not a tag of letters, digits, dots, _ and -, at most 64: {text[:64]!a}")
    return text


def fix(text: str) -> str:
    """Return a package name or a CVE id."""
    found = fix_name(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"neither a package nor a CVE id: {text[:64]!a}")
    return found


def plan(text: str) -> str:
    """Return a plan's id."""
    if not re.fullmatch(r"[0-9a-f]{12}", text):
        raise argparse.ArgumentTypeError(f"not the id of a plan, 12 hexadecimal digits: {text[:64]!a}")
    return text


def count(text: str) -> int:
    """Return a number of hosts."""
    found = whole_number(text, _MOST_HOSTS)
    if not found:
        raise argparse.ArgumentTypeError(f"not a number from 1 to {_MOST_HOSTS}: {text[:64]!a}")
    return found


def limit(text: str) -> int:
    """Return how often a key may be used."""
    return count(text)


def moment(text: str) -> Callable[[datetime], datetime | None]:
    """Return what makes an end of now: a day in UTC that is included, a time, a duration; None: "forever"."""
    if text == "forever":
        return lambda _now: None
    with suppress(ValueError):
        duration = parse_duration(text)
        if duration <= _FARTHEST:
            return lambda now: now + duration
    with suppress(ValueError, OverflowError):
        end = _end(text)
        if end.year <= _LAST_YEAR:
            return lambda _now: end
    raise argparse.ArgumentTypeError(
        f'not a day ("2026-12-31"), a time ("2026-12-31T12:00Z"), a duration ("30d") or "forever": {text[:64]!a}'
    )


def _end(text: str) -> datetime:
    with suppress(ValueError):
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=timezone.utc) + timedelta(days=1)
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return found if found.tzinfo is not None else found.replace(tzinfo=timezone.utc)


def lifetime(text: str) -> timedelta:
    """Return how long a request is valid."""
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'not a duration, as "24h": {text[:64]!a}') from error
    if found > MAX_LIFETIME:
        raise argparse.ArgumentTypeError(f"longer than {MAX_LIFETIME.days} days")
    return found
