"""Times for people: local time with its offset, in any zone and at any date."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

import pytest

from agent.state.timestamps import format_human, parse_utc, seconds_between

SUMMER, WINTER = parse_utc("2026-07-01T22:30:00Z"), parse_utc("2026-11-23T05:10:00Z")


@pytest.fixture
def use_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str | None], None]]:
    """Return a function that sets TZ; `format_human` itself has to read it again."""

    def change(zone: str | None) -> None:
        if zone is None:
            monkeypatch.delenv("TZ", raising=False)
        else:
            monkeypatch.setenv("TZ", zone)

    yield change
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("zone", "when", "expected"),
    [
        ("UTC", WINTER, "2026-11-23 05:10 UTC"),
        ("Europe/Berlin", WINTER, "2026-11-23 06:10 +01:00"),
        ("Europe/Berlin", SUMMER, "2026-07-02 00:30 +02:00"),
        ("Europe/London", WINTER, "2026-11-23 05:10 UTC"),
        ("Europe/London", SUMMER, "2026-07-01 23:30 +01:00"),
        ("America/New_York", SUMMER, "2026-07-01 18:30 -04:00"),
        ("America/St_Johns", WINTER, "2026-11-23 01:40 -03:30"),
        ("Asia/Kathmandu", WINTER, "2026-11-23 10:55 +05:45"),
        ("Pacific/Kiritimati", WINTER, "2026-11-23 19:10 +14:00"),
        # the hour that the end of daylight saving repeats
        ("Europe/Berlin", parse_utc("2026-10-25T00:30:00Z"), "2026-10-25 02:30 +02:00"),
        ("Europe/Berlin", parse_utc("2026-10-25T01:30:00Z"), "2026-10-25 02:30 +01:00"),
        # not a zone: UTC, as for date(1)
        ("", WINTER, "2026-11-23 05:10 UTC"),
        ("Europe/Nowhere", WINTER, "2026-11-23 05:10 UTC"),
        ("../../etc/passwd", WINTER, "2026-11-23 05:10 UTC"),
        # POSIX: hours west of Greenwich
        ("XYZ-3", WINTER, "2026-11-23 08:10 +03:00"),
        # mean local time, with seconds in the offset
        ("Europe/Paris", parse_utc("1850-01-01T00:00:00Z"), "1850-01-01 00:09 +00:09"),
        # neither has a local time a day further out
        ("Pacific/Kiritimati", datetime.max.replace(tzinfo=timezone.utc), "9999-12-31 23:59 UTC"),
        ("America/New_York", datetime.min.replace(tzinfo=timezone.utc), "1-01-01 00:00 UTC"),
    ],
)
def test_a_time_for_people_is_local(
    use_zone: Callable[[str | None], None], zone: str, when: datetime, expected: str
) -> None:
    use_zone(zone)

    assert format_human(when) == expected


def test_a_changed_zone_is_seen_without_a_restart(use_zone: Callable[[str | None], None]) -> None:
    use_zone("Europe/Berlin")
    before = format_human(WINTER)
    use_zone("Asia/Tokyo")

    assert (before, format_human(WINTER)) == ("2026-11-23 06:10 +01:00", "2026-11-23 14:10 +09:00")


def test_without_the_variable_the_zone_is_that_of_the_machine(use_zone: Callable[[str | None], None]) -> None:
    use_zone(None)

    assert format_human(WINTER).startswith("2026-11-2")


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (SUMMER, 0.0),
        (WINTER, (WINTER - SUMMER).total_seconds()),
        (None, None),
        (parse_utc("2026-07-01T22:29:59Z"), None),
    ],
)
def test_a_time_that_ended_before_it_began_is_of_unknown_length(end: datetime | None, expected: float | None) -> None:
    assert seconds_between(SUMMER, end) == expected
