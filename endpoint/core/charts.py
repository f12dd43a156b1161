"""The geometry of the pages' charts, in units of their SVG's view box. Pure.

A day without a figure is a gap in the line: unknown is not zero.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT = 720, 200
_LEFT, _TOP, _BOTTOM = 44, 10, 24
_STEPS = (1, 2, 5, 10)
_MOST_MARKS = 4
_MOST_DAYS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A line of the grid, with its value."""

    y: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A label below the chart; `anchor` is SVG's text-anchor."""

    x: float
    label: str
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A value whose neighbours are unknown."""

    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What the macro `curve` draws."""

    marks: tuple[Mark, ...]
    days: tuple[Day, ...]
    lines: tuple[str, ...]
    """SVG paths, one for each run of known values."""
    areas: tuple[str, ...]
    """The same, closed at the bottom."""
    dots: tuple[Dot, ...]
    values: tuple[tuple[str, str], ...]
    """Each day with its value, the latest first: the table beside the chart."""
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT


def curve(points: Sequence[tuple[str, float | None]], *, decimals: int = 0) -> Curve:
    """Return the chart of a value per day, the oldest day first; None: unknown."""
    step, top = _scale(max((value for _, value in points if value is not None), default=0))
    floor = _HEIGHT - _BOTTOM
    width = (_WIDTH - _LEFT) / max(1, len(points) - 1)

    def place(at: int, value: float) -> Dot:
        return Dot(x=round(_LEFT + at * width, 1), y=round(floor - (floor - _TOP) * value / top, 1))

    runs: list[list[Dot]] = [[]]
    for at, (_, value) in enumerate(points):
        if value is not None:
            runs[-1].append(place(at, value))
        elif runs[-1]:
            runs.append([])
    lines = tuple(_path(run) for run in runs if len(run) > 1)
    marks = tuple(Mark(y=place(0, step * at).y, label=f"{step * at:g}") for at in range(round(top / step) + 1))
    return Curve(
        marks=marks,
        days=_days([day for day, _ in points], width),
        lines=lines,
        areas=tuple(_area(run, floor) for run in runs if len(run) > 1),
        dots=tuple(run[0] for run in runs if len(run) == 1),
        values=tuple((day, "unknown" if value is None else f"{value:.{decimals}f}") for day, value in reversed(points)),
    )


def _scale(most: float) -> tuple[float, float]:
    """Return the distance of the grid's lines, and the highest of them."""
    if most <= 0:
        return 1, 1
    size = 10.0 ** math.floor(math.log10(most / _MOST_MARKS))
    step = max(1.0, next(size * factor for factor in _STEPS if most <= size * factor * _MOST_MARKS))
    return step, step * math.ceil(most / step)


def _days(days: Sequence[str], width: float) -> tuple[Day, ...]:
    if not days:
        return ()
    last = len(days) - 1
    chosen = sorted({round(last * part / (_MOST_DAYS - 1)) for part in range(_MOST_DAYS)})
    anchors = {0: "start", last: "end"}
    return tuple(Day(x=round(_LEFT + at * width, 1), label=days[at], anchor=anchors.get(at, "middle")) for at in chosen)


def _path(run: Sequence[Dot]) -> str:
    return "M" + " L".join(f"{dot.x} {dot.y}" for dot in run)


def _area(run: Sequence[Dot], floor: float) -> str:
    return f"{_path(run)} L{run[-1].x} {floor} L{run[0].x} {floor} Z"
