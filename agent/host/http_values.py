"""Values in HTTP headers, and what an error says, without an HTTP library. Light: used by the daemon."""

import ssl
from datetime import datetime, timedelta, timezone

from agent.core.pattern import lazy_pattern
from agent.core.redact import remember_secrets

_LONGEST_WAIT = timedelta(hours=1)
_SHORTEST_SECRET = 8
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_DATES = tuple(
    lazy_pattern(pattern)
    for pattern in (
        rf"[A-Z][a-z]{{2}}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT",
        rf"[A-Z][a-z]{{5,8}}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<short>[0-9]{{2}}) {_TIME} GMT",
        rf"[A-Z][a-z]{{2}} {_MONTH} (?P<day>[ 0-9][0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)
"""IMF-fixdate, and the obsolete forms of RFC 850 and of asctime(3)."""
_CENTURY = 70
"""Two digits of a year from here on are of the 20th century, as email.utils has it."""


def http_date(text: str) -> datetime | None:
    """Parse an HTTP date (RFC 9110, 5.6.7); None where it is not one."""
    found = next(filter(None, (one.fullmatch(text.strip()) for one in _DATES)), None)
    if found is None:
        return None
    parts = found.groupdict()
    short = int(parts.get("short") or 0)
    year = int(parts.get("year") or short + (1900 if short >= _CENTURY else 2000))
    second = min(int(parts["second"]), 59)  # a leap second
    clock = (int(parts["hour"]), int(parts["minute"]), second)
    try:
        return datetime(year, _MONTHS.index(parts["month"]) + 1, int(parts["day"]), *clock, tzinfo=timezone.utc)
    except ValueError:
        return None


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Parse Retry-After: seconds or a date (RFC 9110, 10.2.3), at most an hour; None where it is neither."""
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return min(timedelta(seconds=int(text[:9])), _LONGEST_WAIT)
    when = http_date(text)
    return None if when is None else min(max(when - now, timedelta(0)), _LONGEST_WAIT)


def remember_header(value: str) -> None:
    """Have `redact` know a header's value as secret: of one like "Bearer TOKEN" each word of at least 8 characters."""
    remember_secrets(word for word in value.split() if len(word) >= _SHORTEST_SECRET)


def fault_text(error: BaseException) -> str:
    """Return in a few words what a fault of the network is; empty if the error does not say."""
    if isinstance(error, TimeoutError):
        return error.strerror or str(error) or "no answer in time"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'it ended the connection'}"
    if not isinstance(error, OSError):
        return ""
    wraps = type(error).__module__.startswith("requests.")  # its errors have the URL and the inner one's repr
    return error.strerror or ("" if wraps else str(error))
