"""Times as documents write them, and as people read them. Knows no clock."""

from datetime import datetime, timezone


def moment(when: datetime) -> str:
    """Write a time as RFC 3339 in UTC, to the second."""
    return when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_moment(text: str) -> datetime:
    """Parse what `moment` wrote."""
    return datetime.fromisoformat(f"{text[:-1]}+00:00")  # Python 3.10 does not know the Z


def age(when: datetime, now: datetime) -> str:
    """Say how old something is, in the one unit that matters: "4 min"."""
    seconds = max(0, int((now - when).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
