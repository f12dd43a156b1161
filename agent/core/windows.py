"""Maintenance windows: times of the week or of the month at which disruptive work may start. Pure.

A window opens when the local clock first shows its start and closes when it then first shows its end, so that it is an
hour longer or shorter in a night in which the clock changes. A time that is skipped stands for the moment of the
change; a window that lies in the skipped hour comes that much later. A window may end after midnight.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone, tzinfo
from enum import Enum

from agent.core.frozen import frozen
from agent.core.pattern import lazy_pattern

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_EVERY = {"daily": range(7)}
_WEEKS = {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "last": -1}
_PATTERN = lazy_pattern(
    r"(?:(?P<week>1st|2nd|3rd|4th|last) )?(?P<days>[A-Za-z,-]+) "
    r"(?P<start>[0-9]{2}:[0-9]{2})-(?P<end>[0-9]{2}:[0-9]{2})(?: (?P<zone>[A-Za-z0-9_+/-]+))?",
)
_ACCEPTED = (
    'accepted: "Sat 02:00-04:00 Europe/Berlin"; days such as "Mon-Fri", "Sat,Sun" or "daily"; "2nd Sat" (1st to 4th, '
    "last) for once a month; without a time zone that of the machine"
)
_DAY = timedelta(days=1)
_MINUTES = 24 * 60
_SECOND = timedelta(seconds=1)
_AHEAD = 64
"""Days to search: a monthly window opens at most 35 days after the last one."""


@frozen
class Window:
    """A recurring window. Times are minutes of the local day."""

    text: str
    """As configured."""
    days: frozenset[int]
    """Of its start; Monday is 0."""
    week: int | None
    """Which of those days of a month: 1 to 4, -1 for the last; None: every week."""
    start: int
    end: int
    """More than 24 hours where it is on the next day."""
    zone: tzinfo | None
    """None: that of the machine."""


@frozen
class Opening:
    """One opening of a window, in UTC; `end` itself is outside."""

    start: datetime
    end: datetime

    def latest_start(self, needed: timedelta) -> datetime:
        """Return when work of that duration has to start in order to end within the window."""
        return self.end - needed

    def overlaps(self, other: "Opening") -> bool:
        """Return whether a moment lies in both."""
        return self.start < other.end and other.start < self.end


class WindowState(Enum):
    """Whether work may start."""

    OPEN = "open"
    CLOSED = "closed"
    TOO_SHORT = "too-short"
    """No opening is as long as the work."""


@frozen
class Standing:
    """Whether work may start now, and the opening in which it may: the present one, or the next one."""

    state: WindowState
    opening: Opening


def parse_window(text: str, zone_of: Callable[[str], tzinfo]) -> Window:
    """Return the window of a configuration value; `zone_of` looks an IANA name up.

    Raises:
        ValueError: it is none, with what is accepted, or an error of `zone_of`.
    """
    found = _PATTERN.fullmatch(text)
    if found is None:
        raise ValueError(_ACCEPTED)
    start, end = _minutes(found["start"]), _minutes(found["end"])
    if start in (end, _MINUTES):
        raise ValueError("a window has a start and another end, such as 22:00-02:00; a whole day is 00:00-24:00")
    return Window(
        text=text,
        days=frozenset(_days(found["days"])),
        week=_WEEKS[found["week"]] if found["week"] else None,
        start=start,
        end=end if end > start else end + _MINUTES,
        zone=zone_of(found["zone"]) if found["zone"] else None,
    )


def standing(window: Window, now: datetime, *, needed: timedelta, local: tzinfo) -> Standing:
    """Return whether work that takes `needed` may start now; `local` is the machine's time zone."""
    found = openings(window, now, local)
    first = next(found)
    for opening in (first, *found):
        latest = opening.latest_start(needed)
        if latest >= max(opening.start, now):
            state = WindowState.OPEN if opening.start <= now else WindowState.CLOSED
            return Standing(state=state, opening=opening)
    return Standing(state=WindowState.TOO_SHORT, opening=first)


def is_open(window: Window, now: datetime, local: tzinfo) -> bool:
    """Return whether a window is open; `local` is the machine's time zone."""
    return next(openings(window, now, local)).start <= now


def openings(window: Window, now: datetime, local: tzinfo) -> Iterator[Opening]:
    """Yield the openings of two months that have not ended, the earliest first; there is at least one."""
    zone = window.zone or local
    today = now.astimezone(zone).date()
    for ahead in range(-2, _AHEAD):
        day = today + _DAY * ahead
        if _is_day(window, day):
            opening = _opening(window, day, zone)
            if opening.end > now:
                yield opening


def _is_day(window: Window, day: date) -> bool:
    if day.weekday() not in window.days:
        return False
    if window.week is None:
        return True
    if window.week < 0:
        return (day + 7 * _DAY).month != day.month
    return (day.day - 1) // 7 == window.week - 1


def _opening(window: Window, day: date, zone: tzinfo) -> Opening:
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - what a clock on the wall shows
    first, last = (midnight + timedelta(minutes=minutes) for minutes in (window.start, window.end))
    start, end = _shown(first, zone), _shown(last, zone)
    if start >= end:  # it lies in the hour that is skipped, up to its end at most, and comes that much later
        start = first.replace(tzinfo=zone).astimezone(timezone.utc)
        end = start + (last - first)
    return Opening(start=start, end=end)


def _shown(local: datetime, zone: tzinfo) -> datetime:
    """Return when a clock first shows a local time, in UTC; for one that is skipped, the moment of the change."""
    before = local.replace(tzinfo=zone).astimezone(timezone.utc)
    if before.astimezone(zone).replace(tzinfo=None) == local:
        return before
    offset = before.astimezone(zone).utcoffset()
    earlier, later = local.replace(tzinfo=zone, fold=1).astimezone(timezone.utc), before
    while later - earlier > _SECOND:
        middle = earlier + (later - earlier) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            later = middle
        else:
            earlier = middle
    return later.replace(microsecond=0)


def _minutes(text: str) -> int:
    hours, minutes = int(text[:2]), int(text[3:])
    if minutes > 59 or hours * 60 + minutes > _MINUTES:  # noqa: PLR2004 - minutes of an hour
        raise ValueError(f"{text} is not a time of day")
    return hours * 60 + minutes


def _days(text: str) -> Iterator[int]:
    """Yield the days of "Sat", "Mon-Fri", "Sat,Sun" or "daily"."""
    if text in _EVERY:
        yield from _EVERY[text]
        return
    for part in text.split(","):
        first, _, last = part.partition("-")
        try:
            start, end = _DAYS.index(first), _DAYS.index(last or first)
        except ValueError:
            raise ValueError(f"{part!r} is not a day: {_ACCEPTED}") from None
        yield from (day % 7 for day in range(start, end + 1 + (7 if end < start else 0)))
