"""The geometry of charts, and text made visible."""

import pytest

from endpoint.core.charts import curve
from endpoint.core.timestamps import parse_utc
from endpoint.core.visible import visible, visible_lines
from endpoint.http.pages.filters import age, span


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([], ["0", "1"]),
        ([0, 0], ["0", "1"]),
        ([0.4], ["0", "1"]),
        ([3], ["0", "1", "2", "3"]),
        ([9], ["0", "5", "10"]),
        ([40], ["0", "10", "20", "30", "40"]),
        ([41], ["0", "20", "40", "60"]),
        ([870], ["0", "500", "1000"]),
    ],
)
def test_the_grid_has_round_numbers_up_to_the_highest_value(values: list[float], labels: list[str]) -> None:
    assert [mark.label for mark in curve([(f"day {at}", value) for at, value in enumerate(values)]).marks] == labels


def test_an_unknown_day_is_a_gap_and_not_zero() -> None:
    chart = curve([("1", 2.0), ("2", 4.0), ("3", None), ("4", 4.0), ("5", None), ("6", 0.0), ("7", 1.0)])

    assert len(chart.lines) == len(chart.areas) == 2
    assert len(chart.dots) == 1
    assert dict(chart.values)["3"] == "unknown"


def test_every_value_lies_within_the_chart() -> None:
    chart = curve([(str(at), float(at * at)) for at in range(90)])
    numbers = [float(part.lstrip("ML")) for part in chart.lines[0].split()]

    assert all(chart.left <= x <= chart.width for x in numbers[::2])
    assert all(0 <= y <= chart.height for y in numbers[1::2])
    assert [day.anchor for day in chart.days] == ["start", "middle", "middle", "end"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("web-01, Zürich 漢字", "web-01, Zürich 漢字"),
        ("a\u202eb", "a\\u202eb"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("\x1b[31m\r\n\t\0", "\\x1b[31m\\r\\n\\t\\x00"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
    ids=["plain", "override", "isolates", "controls", "zero-width", "surrogate", "tag"],
)
def test_characters_that_cannot_be_seen_are_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(visible(text)) == shown


def test_lines_stay_lines() -> None:
    assert visible_lines("one\ntwo\r\n") == "one\ntwo\\r\n"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3600, "1 h"), (3661, "1 h 1 min"), (86400, "1 d"), (277200, "3 d 5 h")],
)
def test_a_span_has_its_two_largest_units(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


def test_an_age_is_of_the_past_or_of_the_future() -> None:
    now = parse_utc("2026-11-23T08:10:00Z")

    assert age(parse_utc("2026-11-23T07:10:00Z"), now) == "1 h ago"
    assert age(parse_utc("2026-11-23T08:15:00Z"), now) == "in 5 min"
