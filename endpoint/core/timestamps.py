"""Formats and parses times and durations. Pure."""

import re
from datetime import datetime, timedelta, timezone

_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def format_utc(when: datetime) -> str:
    """Format a time as RFC 3339 in UTC, to the second."""
    # strftime takes several times as long, and a page of hosts has hundreds of times.
    return f"{when.astimezone(timezone.utc).isoformat()[:19]}Z"


def format_unix(when_s: float | None) -> str | None:
    """Format a time in Unix seconds in the same way; None: unknown."""
    return None if when_s is None else format_utc(datetime.fromtimestamp(when_s, timezone.utc))


def parse_utc(text: str) -> datetime:
    """Parse RFC 3339 in UTC, with or without fractions of a second, which are dropped.

    Raises:
        ValueError: no such time.
    """
    return datetime.strptime(f"{text[:19]}Z", _MOMENT).replace(tzinfo=timezone.utc)


def format_age(when: datetime, now: datetime) -> str:
    """Format an age in its largest unit: "4 min"."""
    seconds = max(0, int((now - when).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def parse_duration(text: str) -> timedelta:
    """Parse a duration of the configuration: "400d".

    Raises:
        ValueError: not a duration.
    """
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a duration")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
