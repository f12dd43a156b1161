"""Timestamps: parsing and formatting for documents and for people, and the current time. Light: `status` imports it.

Documents have RFC 3339 in UTC (`format_utc`), people read local time (`format_human`) or an age (`format_age`).
"""

import time
from datetime import datetime, timedelta, timezone


def utc_now() -> datetime:
    """Return the current time, aware and in UTC."""
    return datetime.now(timezone.utc)


def format_utc(when: datetime) -> str:
    """Return a time as RFC 3339 in UTC, to the second."""
    return when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_exact(when: datetime) -> str:
    """Return a time as RFC 3339 in UTC, to the microsecond; without a fraction where it has none."""
    utc = when.astimezone(timezone.utc)
    return f"{utc:%Y-%m-%dT%H:%M:%S.%f}Z" if utc.microsecond else format_utc(utc)


def minus_clamped(when: datetime, by: timedelta) -> datetime:
    """Subtract, but not beyond the earliest datetime."""
    return when - min(by, when - datetime.min.replace(tzinfo=timezone.utc))


def seconds_between(start: datetime, end: datetime | None) -> float | None:
    """Return the time from start to end in seconds.

    None: there is no end, or it is before the start because the clock was set back, so that it is unknown.
    """
    if end is None or end < start:
        return None
    return (end - start).total_seconds()


def parse_utc(text: str) -> datetime:
    """Parse the output of `format_utc`.

    Raises:
        ValueError: the text is not such a time.
    """
    if not text.endswith("Z"):
        raise ValueError(f"{text!r} is not a time in UTC")
    return datetime.fromisoformat(f"{text[:-1]}+00:00")  # Python 3.10 does not know the Z


def parse_utc_or_none(value: object) -> datetime | None:
    """Parse the output of `format_utc`; None for any other value."""
    try:
        return parse_utc(value) if isinstance(value, str) else None
    except ValueError:
        return None


def format_age(when: datetime, now: datetime) -> str:
    """Return an age in its largest unit: "4 minutes ago"."""
    seconds = int((now - when).total_seconds())
    if seconds < 0:
        return "in the future (check the clock)"
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def format_human(when: datetime) -> str:
    """Return a time for people, in local time with its offset: "2026-11-23 06:10 +01:00", or "2026-11-23 05:10 UTC".

    The zone is that of localtime(5), or of the variable TZ; the C library takes UTC for one that does not exist.
    """
    local = _local(when)
    return f"{local:%Y-%m-%d %H:%M} {_offset(local.utcoffset() or timedelta(0))}"


def _local(when: datetime) -> datetime:
    time.tzset()  # otherwise a daemon would keep the zone that it started with
    try:
        return when.astimezone()
    except (OverflowError, ValueError, OSError):  # the first and the last day that a datetime can hold
        return when.astimezone(timezone.utc)


def _offset(offset: timedelta) -> str:
    """Return "UTC", or hours and minutes with their sign."""
    minutes = round(offset.total_seconds() / 60)
    if minutes == 0:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"
