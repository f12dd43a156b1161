"""The time that a person types for a reboot."""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from agent.core.schedule.requested_time import parse_requested_time

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 27, 21, 30, 15, tzinfo=timezone.utc)
"""Friday, 22:30:15 in Berlin."""
SPRING = datetime(2026, 3, 28, 22, 0, tzinfo=timezone.utc)
"""The evening before the clock skips 02:00 to 03:00."""
AUTUMN = datetime(2026, 10, 25, 0, 45, tzinfo=timezone.utc)
"""02:45 in Berlin, for the first time: the clock is set back to 02:00 at 03:00."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("+30m", NOW + timedelta(minutes=30)),
        ("+30", NOW + timedelta(minutes=30)),
        ("+1h30m", NOW + timedelta(minutes=90)),
        ("+45s", NOW + timedelta(seconds=45)),
        ("+2d", NOW + timedelta(days=2)),
        ("23:00", datetime(2026, 11, 27, 22, 0, tzinfo=timezone.utc)),
        ("02:00", datetime(2026, 11, 28, 1, 0, tzinfo=timezone.utc)),
        ("2:00", datetime(2026, 11, 28, 1, 0, tzinfo=timezone.utc)),
        ("today 23:00", datetime(2026, 11, 27, 22, 0, tzinfo=timezone.utc)),
        ("tomorrow 02:00", datetime(2026, 11, 28, 1, 0, tzinfo=timezone.utc)),
        ("Tomorrow  23:59", datetime(2026, 11, 28, 22, 59, tzinfo=timezone.utc)),
        ("Sat 02:00", datetime(2026, 11, 28, 1, 0, tzinfo=timezone.utc)),
        ("saturday 02:00", datetime(2026, 11, 28, 1, 0, tzinfo=timezone.utc)),
        ("Fri 23:00", datetime(2026, 11, 27, 22, 0, tzinfo=timezone.utc)),
        ("Fri 22:00", datetime(2026, 12, 4, 21, 0, tzinfo=timezone.utc)),
        ("2026-12-05 02:00", datetime(2026, 12, 5, 1, 0, tzinfo=timezone.utc)),
        ("2026-12-05T02:00:30", datetime(2026, 12, 5, 1, 0, 30, tzinfo=timezone.utc)),
        ("2026-12-05T02:00:00Z", datetime(2026, 12, 5, 2, 0, tzinfo=timezone.utc)),
        ("2026-12-05T02:00:00-05:00", datetime(2026, 12, 5, 7, 0, tzinfo=timezone.utc)),
        ("2026-12-05 02:00 +01:00", datetime(2026, 12, 5, 1, 0, tzinfo=timezone.utc)),
        ("2026-12-05 02:00 UTC", datetime(2026, 12, 5, 2, 0, tzinfo=timezone.utc)),
        ("2027-07-01 02:00", datetime(2027, 7, 1, 0, 0, tzinfo=timezone.utc)),
    ],
)
def test_a_time_is_understood_as_its_user_means_it(text: str, expected: datetime) -> None:
    assert parse_requested_time(text, NOW, BERLIN) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "25:00", "12:60", "2am", "Someday 02:00", "+", "+m", "30m", "-30m", "+1w", "+1.5h"),
        *("2026-13-01 02:00", "2026-02-30 02:00", "2026-12-05", "2026-12-05 2:00", "2026-12-05 02:00 CET"),
        *("2026-12-05 02:00 +25:00", "02:00:00", "yesterday 02:00"),
    ],
)
def test_no_time_is_an_error_that_shows_what_is_accepted(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time; accepted: .*02:00"):
        parse_requested_time(text, NOW, BERLIN)


@pytest.mark.parametrize("text", ["today 22:00", "2026-11-27 22:30", "2026-11-27T21:30:00Z", "2001-01-01 00:00"])
def test_a_time_of_the_past_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="in the past"):
        parse_requested_time(text, NOW, BERLIN)


@pytest.mark.parametrize("text", ["2028-01-01 00:00", "+999999h", "+999999d", f"+{'999999d' * 9}"])
def test_a_time_of_another_year_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="more than a year"):
        parse_requested_time(text, NOW, BERLIN)


@pytest.mark.parametrize("text", ["Sun 02:30", "02:30", "tomorrow 02:30", "2026-03-29 02:30"])
def test_a_time_that_the_clock_skips_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="skips"):
        parse_requested_time(text, SPRING, BERLIN)


@pytest.mark.parametrize(
    ("text", "hour", "minute"),
    [("02:50", 0, 50), ("02:30", 1, 30), ("today 02:30", 1, 30), ("2026-10-25 02:50", 0, 50), ("03:00", 2, 0)],
)
def test_a_time_that_the_clock_shows_twice_is_the_next_of_the_two(text: str, hour: int, minute: int) -> None:
    expected = datetime(2026, 10, 25, hour, minute, tzinfo=timezone.utc)

    assert parse_requested_time(text, AUTUMN, BERLIN) == expected


def test_a_clock_in_utc_needs_no_zone() -> None:
    assert parse_requested_time("21:31", NOW, timezone.utc) == datetime(2026, 11, 27, 21, 31, tzinfo=timezone.utc)
