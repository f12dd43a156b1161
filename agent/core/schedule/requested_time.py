"""The time that a person types for a reboot: "02:00", "Sat 02:00", "+30m", "2026-12-05 02:00". Pure.

A time of day is the next time at which the local clock shows it, as with shutdown(8) and at(1). In the night in which
the clock is set back it may show it twice: the next of the two. A time that the clock skips is an error.
"""

import re
from datetime import date, datetime, time, timedelta, timezone, tzinfo

from agent.core.pattern import lazy_pattern

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DELAY = lazy_pattern(r"\+(?:(?P<minutes>[0-9]{1,6})|(?P<parts>(?:[0-9]{1,6}[dhms])+))")
_CLOCK = lazy_pattern(r"(?:(?P<day>[a-z]+) )?(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})")
_DATED = lazy_pattern(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[t ](?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)"
    r"(?: ?(?P<zone>z|utc|[+-][0-9]{2}:?[0-9]{2}))?"
)
_DAY = timedelta(days=1)
_WEEK = 8
"""Days to search for the next Saturday 02:00: today's may be over."""
_FURTHEST = timedelta(days=366)
_TOO_LONG_S = 2 * 366 * 86400
ACCEPTED = (
    'accepted: now, +30m, +2h, 02:00, "tomorrow 02:00", "Sat 02:00", "2026-12-05 02:00", 2026-12-05T02:00:00+01:00'
)


def parse_requested_time(text: str, now: datetime, zone: tzinfo) -> datetime:
    """Return the moment in UTC; `zone` is the machine's time zone.

    Raises:
        ValueError: it is no time, lies in the past or more than a year ahead; with what is accepted.
    """
    words = " ".join(text.lower().split())
    found = _moment(words, now, zone)
    if found is None:
        raise ValueError(f"{text[:60]!r} is not a time; {ACCEPTED}")
    if found < now:
        raise ValueError(f"{text[:60]!r} is in the past")
    if found - now > _FURTHEST:
        raise ValueError(f"{text[:60]!r} is more than a year ahead")
    return found


def _moment(words: str, now: datetime, zone: tzinfo) -> datetime | None:
    if words == "now":
        return now
    if delay := _DELAY.fullmatch(words):
        return now + _duration(delay)
    if clock := _CLOCK.fullmatch(words):
        return _next(clock, now, zone)
    dated = _DATED.fullmatch(words)
    return _dated(dated, now, zone) if dated else None


def _duration(delay: re.Match[str]) -> timedelta:
    """Return a delay; a bare number is minutes, as with shutdown(8)."""
    if delay["minutes"]:
        return timedelta(minutes=int(delay["minutes"]))
    parts = re.findall(r"([0-9]+)([dhms])", delay["parts"])
    seconds = sum(int(count) * _UNITS[unit] for count, unit in parts)
    return timedelta(seconds=min(seconds, _TOO_LONG_S))


def _next(clock: re.Match[str], now: datetime, zone: tzinfo) -> datetime | None:
    """Return the next time at which the local clock shows this time, on that day if one is named."""
    today = now.astimezone(zone).date()
    days = _days(clock["day"], today)
    at = _time_of_day(clock["hour"], clock["minute"])
    if days is None or at is None:
        return None
    moments = []
    for day in days:
        local = datetime.combine(day, at)
        moments = _shown(local, zone)
        if not moments and local > now.astimezone(zone).replace(tzinfo=None):
            raise ValueError(f"the clock skips {at:%H:%M} on {day}: choose another time")
        if ahead := [moment for moment in moments if moment >= now]:
            return ahead[0]
    return max(moments, default=now - _DAY)


def _days(name: str | None, today: date) -> list[date] | None:
    """Return the days on which the time may be; None if the word names no day."""
    if name == "today":
        return [today]
    if name == "tomorrow":
        return [today + _DAY]
    week = [today + _DAY * ahead for ahead in range(_WEEK)]
    if name is None:
        return week[:2]
    names = next((names for names in (_DAYS, _LONG_DAYS) if name in names), None)
    return [day for day in week if names[day.weekday()] == name] if names else None


def _time_of_day(hour: str, minute: str) -> time | None:
    try:
        return time(int(hour), int(minute))
    except ValueError:
        return None


def _shown(local: datetime, zone: tzinfo) -> list[datetime]:
    """Return when the local clock shows this time: once, twice, or never; the earlier one first."""
    both = {local.replace(tzinfo=zone, fold=fold).astimezone(timezone.utc) for fold in (0, 1)}
    return sorted(moment for moment in both if moment.astimezone(zone).replace(tzinfo=None) == local)


def _dated(dated: re.Match[str], now: datetime, zone: tzinfo) -> datetime | None:
    """Return a date with a time: local time, unless it has an offset."""
    try:
        local = datetime.fromisoformat(f"{dated['date']} {dated['time']}")
        offset = _offset(dated["zone"])
    except ValueError:
        return None
    if offset is not None:
        return local.replace(tzinfo=offset).astimezone(timezone.utc)
    moments = _shown(local, zone)
    if not moments:
        raise ValueError(f"the clock skips {dated['time']} on {dated['date']}: choose another time")
    return next((moment for moment in moments if moment >= now), moments[-1])


def _offset(text: str | None) -> tzinfo | None:
    """Return the offset that a time names; None: the machine's zone.

    Raises:
        ValueError: there is no such offset.
    """
    if text is None or text in {"z", "utc"}:
        return timezone.utc if text else None
    return datetime.strptime(text.replace(":", ""), "%z").tzinfo
