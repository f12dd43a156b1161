"""What a person asks of snoozes: what, until when, with which comment; and the snoozes after that. Pure."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta, timezone, tzinfo

from agent.core.frozen import replace
from agent.core.model.package import is_package_name
from agent.core.model.waiting import Snooze
from agent.core.packages.explain_cve import cve_id, looks_like_cve
from agent.core.packages.snoozes import in_force
from agent.core.pattern import lazy_pattern
from agent.core.reboot.hold_off import parse_hold_off

MAX_IN_FORCE = 500
LONGEST_COMMENT = 200
_LONGEST = timedelta(days=366)
_DAY = timedelta(days=1)
_AHEAD = lazy_pattern(r"\+([0-9]{1,3})([dw])")
_DAYS = {"d": 1, "w": 7}


def parse_what(text: str) -> str:
    """Return what is to be snoozed: `package`, `package:architecture`, or a CVE id as it is written officially.

    Raises:
        ValueError: it is none of these.
    """
    cve = cve_id(text)
    if cve is not None:
        return cve
    if looks_like_cve(text) or not is_package_name(text):
        raise ValueError(f"{text[:60]!r}: accepted: a package, a package:architecture, or a CVE id")
    return text


def parse_until(text: str, now: datetime, zone: tzinfo) -> datetime:
    """Return when a snooze ends, in UTC: a date, or "+30d", stands for the end of that day in the machine's time zone.

    Raises:
        ValueError: it is no date or time, lies in the past, or is more than a year ahead.
    """
    until = _end_of(text.strip(), now, zone)
    if until <= now:
        raise ValueError(f"{text[:60]!r} is in the past")
    if until - now > _LONGEST:
        raise ValueError(f"{text[:60]!r} is more than a year ahead")
    return until.astimezone(timezone.utc)


def _end_of(text: str, now: datetime, zone: tzinfo) -> datetime:
    ahead = _AHEAD.fullmatch(text)
    if ahead:
        days = int(ahead[1]) * _DAYS[ahead[2]]
        today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        return (today + _DAY * (days + 1)).replace(tzinfo=zone)
    try:
        found = parse_hold_off(text)
    except ValueError as error:
        raise ValueError(f'{text[:60]!r}: {error}; or "+30d", "+2w": so many days or weeks ahead') from error
    if found.tzinfo is not None:
        return found
    is_date = len(text) == len("2026-12-27")
    # A day that begins in a gap of the local clock begins when the clock goes on.
    return (found + _DAY if is_date else found).replace(tzinfo=zone)


def parse_comment(text: str) -> str:
    """Return a comment without space around it.

    Raises:
        ValueError: it is empty, has several lines or other control characters, or is too long.
    """
    found = text.strip()
    if not found or not found.isprintable() or len(found) > LONGEST_COMMENT:
        raise ValueError(f"a comment is one line of at most {LONGEST_COMMENT} characters that says why")
    return found


def with_added(snoozes: Sequence[Snooze], made: Sequence[Snooze], now: datetime) -> tuple[Snooze, ...]:
    """Return the snoozes with new ones, each in place of the one in force for the same package or CVE.

    Raises:
        ValueError: there would be too many.
    """
    replaced = {one.what for one in made}
    after = (*(one for one in snoozes if one.ended_at or one.what not in replaced), *made)
    if len(in_force(after, now)) > MAX_IN_FORCE:
        raise ValueError(f"more than {MAX_IN_FORCE} snoozes: end some of them")
    return after


def with_end(snoozes: Iterable[Snooze], what: Collection[str], now: datetime) -> tuple[Snooze, ...]:
    """Return the snoozes with those of these packages and CVEs ended now."""
    return tuple(one if one.ended_at or one.what not in what else replace(one, ended_at=now) for one in snoozes)
