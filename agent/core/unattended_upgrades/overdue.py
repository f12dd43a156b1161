"""Whether the distribution's daily job, which is on, does its work: it may be configured to run seldom. Pure."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from agent.core.clock import is_future
from agent.core.model.facts import Unseen
from agent.core.pattern import PATTERN_ERRORS
from agent.core.spread import spread
from agent.core.unattended_upgrades.model import JobSettings, TheirJob, UnitFacts

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_LATE = timedelta(days=1)
"""How much longer than the longest pause between two runs an update may be pending."""
_MOST_NAMES = 5
_DAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
"""By the first letters of the English names; the numbers are those of `Update-Days`, strftime's %w."""


def is_overdue(theirs: TheirJob, pending: Mapping[str, datetime], now: datetime) -> str:
    """Return why the distribution's job does not do its work although it is on; empty: it does, or it is too early.

    `pending` is since when each package has a security update that is not held, by name.
    """
    settings = theirs.settings if isinstance(theirs.settings, JobSettings) else None
    every = settings.every if settings and settings.every else _DAY
    pause = round(max(every, _timer_pause(theirs.timer), _DAY) / _DAY) * _DAY  # a timer's delay is random
    gap = _longest_gap(settings.days if settings else ())
    to_its_day = pause * gap if pause < _WEEK else pause  # a job that runs weekly runs on one of its days, or never
    late = {name for name, since in pending.items() if now - since > to_its_day + _LATE}
    kept_back = {name for name in late if keeps_back(theirs, name)}
    if late - kept_back:
        if settings and settings.on_shutdown:
            return "it installs the pending security updates only at the next shutdown"
        return f"it has not installed pending security updates: {spread(sorted(late - kept_back), _MOST_NAMES)}"
    last = theirs.last_success
    if last is not None and not is_future(last, now) and now - last > pause + _LATE:
        return "its last successful run is too long ago"
    names = spread(sorted(kept_back), _MOST_NAMES)
    return f"its Package-Blacklist keeps back security updates: {names}" if kept_back else ""


def keeps_back(theirs: TheirJob | Unseen, name: str) -> bool:
    """Return whether a pattern of the job's `Package-Blacklist` matches a package; one that is none ends its run."""
    if isinstance(theirs, Unseen) or isinstance(theirs.settings, Unseen):
        return False
    with suppress(*PATTERN_ERRORS):
        return any(re.match(pattern, name) for pattern in theirs.settings.blacklist)
    return False


def _timer_pause(timer: UnitFacts | None) -> timedelta:
    """Return how long the timer pauses between its last run and the next one; 0: unknown."""
    if timer is None or timer.next_at is None or timer.last_at is None:
        return timedelta(0)
    return timer.next_at - timer.last_at


def _longest_gap(names: tuple[str, ...]) -> int:
    """Return the longest time between two of these days of the week, in days; 1: every day.

    unattended-upgrades knows names of the machine's language as well. An unknown one may be any day: without it the
    time is longer.
    """
    if not names:
        return 1
    numbers = (int(name) if name in set("0123456") else _DAYS.get(name[:3].lower()) for name in names)
    days = sorted({day for day in numbers if day is not None}) or [0]
    return max(later - day for day, later in zip(days, (*days[1:], days[0] + 7), strict=True))
