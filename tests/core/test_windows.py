"""Maintenance windows: which times a text stands for, and whether work may start."""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.windows import Window, WindowState, openings, standing
from agent.core.windows import parse_window as parse

UTC = timezone.utc
BERLIN = "Europe/Berlin"
MINUTE = timedelta(minutes=1)


def parse_window(text: str) -> Window:
    return parse(text, ZoneInfo)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def opening(window: str, now: str) -> tuple[str, str]:
    """Return start and end of the present or next opening, in UTC."""
    found = standing(parse_window(window), at(now), needed=MINUTE, local=UTC).opening
    return f"{found.start:%Y-%m-%d %H:%M:%S}", f"{found.end:%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize(
    ("window", "now", "start", "end"),
    [
        ("Sat 02:00-04:00", "2026-11-29", "2026-12-05 02:00:00", "2026-12-05 04:00:00"),
        ("Sat 02:00-04:00 Europe/Berlin", "2026-11-29", "2026-12-05 01:00:00", "2026-12-05 03:00:00"),
        ("Sat 02:00-04:00 Europe/Berlin", "2026-07-01", "2026-07-04 00:00:00", "2026-07-04 02:00:00"),
        ("Mon-Fri 22:00-23:00", "2026-11-28", "2026-11-30 22:00:00", "2026-11-30 23:00:00"),
        ("Sat,Sun 22:00-23:00", "2026-11-28", "2026-11-28 22:00:00", "2026-11-28 23:00:00"),
        ("Fri-Mon 01:00-02:00", "2026-12-01", "2026-12-04 01:00:00", "2026-12-04 02:00:00"),
        ("daily 00:00-24:00", "2026-12-01T12:00", "2026-12-01 00:00:00", "2026-12-02 00:00:00"),
        # over midnight: the day is that of the start
        ("Sat 22:00-02:00", "2026-12-06T01:00", "2026-12-05 22:00:00", "2026-12-06 02:00:00"),
        ("Sat 22:00-02:00", "2026-12-06T02:00", "2026-12-12 22:00:00", "2026-12-13 02:00:00"),
        # once a month
        ("1st Sun 03:00-05:00", "2026-11-29", "2026-12-06 03:00:00", "2026-12-06 05:00:00"),
        ("2nd Sat 23:00-01:00", "2026-11-29", "2026-12-12 23:00:00", "2026-12-13 01:00:00"),
        ("2nd Sat 23:00-01:00", "2026-12-13T01:00", "2027-01-09 23:00:00", "2027-01-10 01:00:00"),
        ("4th Thu 03:00-05:00", "2026-11-29", "2026-12-24 03:00:00", "2026-12-24 05:00:00"),
        ("last Mon 03:00-05:00", "2026-11-29", "2026-11-30 03:00:00", "2026-11-30 05:00:00"),
        ("last Mon 03:00-05:00", "2026-12-01", "2026-12-28 03:00:00", "2026-12-28 05:00:00"),
        # a zone in which it is another day than in UTC
        ("Sat 02:00-04:00 Pacific/Auckland", "2026-12-01", "2026-12-04 13:00:00", "2026-12-04 15:00:00"),
        ("last Thu 22:00-23:00 America/Los_Angeles", "2026-12-01", "2027-01-01 06:00:00", "2027-01-01 07:00:00"),
    ],
    ids=lambda value: value.replace(" ", "_"),
)
def test_a_window_opens_at_its_local_times(window: str, now: str, start: str, end: str) -> None:
    assert opening(window, now) == (start, end)


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        ("02:00-04:00", "01:00", "02:00"),  # 2:00 is skipped: it opens at 3:00
        ("01:00-02:30", "00:00", "01:00"),  # the end is skipped: it closes at the change
        ("02:30-03:15", "01:00", "01:15"),  # the start is skipped
        ("02:15-02:45", "01:15", "01:45"),  # both are skipped: it comes an hour later
        ("02:00-03:00", "01:00", "02:00"),  # it is all that is skipped: it comes an hour later
        ("02:30-03:00", "01:30", "02:00"),
        ("00:30-01:30", "23:30", "00:30"),
    ],
)
def test_in_the_night_in_which_clocks_go_forward(window: str, start: str, end: str) -> None:
    found = opening(f"Sun {window} {BERLIN}", "2026-03-28T12:00")

    assert tuple(one[11:16] for one in found) == (start, end)


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        ("02:00-04:00", "00:00", "03:00"),  # the hour that is repeated belongs to it twice
        ("02:15-02:45", "00:15", "00:45"),  # once, the first time
        ("01:30-02:30", "23:30", "00:30"),
        ("02:30-03:30", "00:30", "02:30"),
        ("03:00-04:00", "02:00", "03:00"),
    ],
)
def test_in_the_night_in_which_clocks_go_back(window: str, start: str, end: str) -> None:
    found = opening(f"Sun {window} {BERLIN}", "2026-10-24T12:00")

    assert tuple(one[11:16] for one in found) == (start, end)


def test_a_change_of_half_an_hour_and_at_midnight() -> None:
    assert opening("Sun 02:10-04:00 Australia/Lord_Howe", "2026-10-03T12:00")[0] == "2026-10-03 15:30:00"
    assert opening("Fri 00:00-03:00 Africa/Cairo", "2026-04-23T12:00")[0] == "2026-04-23 22:00:00"


@pytest.mark.parametrize(
    ("now", "needed", "state", "start"),
    [
        ("2026-12-05T01:59:59", 30, WindowState.CLOSED, "2026-12-05"),
        ("2026-12-05T02:00:00", 30, WindowState.OPEN, "2026-12-05"),
        ("2026-12-05T03:30:00", 30, WindowState.OPEN, "2026-12-05"),
        ("2026-12-05T03:30:01", 30, WindowState.CLOSED, "2026-12-12"),  # the latest start has passed
        ("2026-12-05T04:00:00", 0, WindowState.CLOSED, "2026-12-12"),  # the end is outside
        ("2026-12-05T02:00:00", 120, WindowState.OPEN, "2026-12-05"),
        ("2026-12-05T02:00:00", 121, WindowState.TOO_SHORT, "2026-12-05"),
    ],
)
def test_work_starts_only_so_that_it_ends_in_the_window(now: str, needed: int, state: WindowState, start: str) -> None:
    found = standing(parse_window("Sat 02:00-04:00"), at(now), needed=timedelta(minutes=needed), local=UTC)

    assert (found.state, found.opening.start.date().isoformat()) == (state, start)


def test_without_a_zone_it_is_the_machines() -> None:
    found = standing(parse_window("Sat 02:00-04:00"), at("2026-12-01"), needed=MINUTE, local=ZoneInfo(BERLIN))

    assert found.opening.start == at("2026-12-05T01:00")


@given(
    zone=st.sampled_from((BERLIN, "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Beirut")),
    start=st.integers(0, 1439),
    minutes=st.integers(1, 1439),
    month=st.integers(1, 12),
)
def test_no_opening_is_empty_whatever_the_clock_does(zone: str, start: int, minutes: int, month: int) -> None:
    end = (start + minutes) % 1440
    times = "-".join(f"{one // 60:02}:{one % 60:02}" for one in (start, end))

    found = list(openings(parse_window(f"daily {times} {zone}"), at(f"2026-{month:02}-01T00:00"), UTC))

    assert all(one.start < one.end for one in found)
    assert [one.start for one in found] == sorted({one.start for one in found})


def test_every_opening_of_a_year_is_found_once() -> None:
    for text, count in (("Sat 02:00-04:00", 52), ("2nd Sat 23:00-01:00", 12), ("daily 23:00-01:00", 365)):
        window, now, starts = parse_window(f"{text} {BERLIN}"), at("2026-01-01T00:00"), []
        while now < at("2027-01-01T00:00"):
            found = standing(window, now, needed=MINUTE, local=UTC).opening
            starts.append(found.start)
            now = found.end
        assert abs(len(set(starts)) - count) <= 1
        assert len(set(starts)) == len(starts)
        assert starts == sorted(starts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sat",
        "Sat 2:00-04:00",
        "Sat 02:00-02:00",
        "Sat 24:00-02:00",
        "Sat 02:60-04:00",
        "Sat 02:00-24:01",
        "sat 02:00-04:00",
        "Foo 02:00-04:00",
        "Sat, 02:00-04:00",
        "5th Sat 02:00-04:00",
        "2nd 02:00-04:00",
        "Sat 02:00-04:00 Europe/Berlin ",
    ],
)
def test_what_is_not_a_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_window(text)
