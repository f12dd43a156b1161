"""Jinja filters: times, ages and counts as people read them. Unknown is shown as "unknown", never as nothing."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from endpoint.core.host_states import HostState
from endpoint.core.timestamps import format_age, format_utc, parse_utc
from endpoint.core.visible import visible, visible_lines
from endpoint.http.pages.looks import HOST_LOOKS

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def finalize(value: Any) -> Any:
    """Make each string of an expression visible, whoever wrote it; markup of the templates' own macros stays."""
    if value is None:
        return "unknown"
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def as_moment(value: datetime | float) -> datetime:
    """Return a time that is given as such, or in Unix seconds."""
    return value if isinstance(value, datetime) else datetime.fromtimestamp(value, timezone.utc)


def rfc3339(value: datetime | float) -> str:
    """Return a time for machines."""
    return format_utc(as_moment(value))


def clock(value: datetime | float) -> str:
    """Return a time for people: to the minute, in UTC."""
    return as_moment(value).astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def clock_s(value: datetime | float) -> str:
    """Return the time of day for people: to the second, in UTC."""
    return as_moment(value).astimezone(timezone.utc).strftime("%H:%M:%S UTC")


def age(value: datetime | float, now: datetime) -> str:
    """Return how long ago or how far ahead a time is."""
    moment = as_moment(value)
    return f"in {format_age(now, moment)}" if moment > now else f"{format_age(moment, now)} ago"


def span(seconds: float) -> str:
    """Return a length of time in its two largest units: "3 d 4 h"."""
    whole = max(0, int(seconds))
    for size, unit, lower, lower_unit in ((_DAY_S, "d", _HOUR_S, "h"), (_HOUR_S, "h", _MINUTE_S, "min")):
        if whole >= size:
            rest = whole % size // lower
            return f"{whole // size} {unit} {rest} {lower_unit}" if rest else f"{whole // size} {unit}"
    return f"{whole // _MINUTE_S} min" if whole >= _MINUTE_S else f"{whole} s"


def count(number: int | None) -> str:
    """Return a number with its thousands apart."""
    return "unknown" if number is None else f"{number:,}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def lines(text: str) -> Markup:
    """Return text whose line ends are kept."""
    return Markup(escape(visible_lines(text)))  # noqa: S704 - it is escaped


def ticks(text: str) -> Markup:
    """Return text in which what stands between two backticks is code."""
    parts = [str(escape(visible(part))) for part in text.split("`")]
    if len(parts) % 2 == 0:
        parts[-2:] = ["`".join(parts[-2:])]  # the last one is not closed
    marked = (f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
    return Markup("".join(marked))  # noqa: S704 - each part is escaped


def path_part(text: str) -> str:
    """Return text as one part of a path."""
    return quote(text, safe="")


def moment(text: str | None) -> datetime | None:
    """Return a time of a report; None: unknown, or no time."""
    try:
        return parse_utc(text) if text is not None else None
    except ValueError:
        return None


def in_order(states: Collection[HostState]) -> list[HostState]:
    """Return states in the order of the overview; what needs attention is said by the others, if there are any."""
    order = list(HOST_LOOKS)
    shown = set(states) - {HostState.ATTENTION} or set(states)
    return sorted(shown, key=lambda state: order.index(state.value))


FILTERS: Mapping[str, Callable[..., Any]] = {
    "rfc3339": rfc3339,
    "clock": clock,
    "clock_s": clock_s,
    "age": age,
    "span": span,
    "count": count,
    "plural": plural,
    "path_part": path_part,
    "lines": lines,
    "ticks": ticks,
    "moment": moment,
    "in_order": in_order,
}
