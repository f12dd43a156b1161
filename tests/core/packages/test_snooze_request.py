"""What a person asks of snoozes: dates over changes of the clock, replacements, ends and limits."""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from agent.core.packages.snooze_request import MAX_IN_FORCE, parse_until, parse_what, with_added, with_end
from agent.core.packages.snoozes import ended, in_force
from tests.core import given

UTC = timezone.utc
NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "zone", "until"),
    [
        ("2026-03-10", "UTC", "2026-03-11T00:00"),
        ("2026-03-10", "Europe/Berlin", "2026-03-10T23:00"),
        ("2026-03-28", "Europe/Berlin", "2026-03-28T23:00"),
        ("2026-03-29", "Europe/Berlin", "2026-03-29T22:00"),  # a day of 23 hours
        ("2026-10-25", "Europe/Berlin", "2026-10-25T23:00"),  # of 25 hours
        ("2026-04-23", "Africa/Cairo", "2026-04-23T22:00"),  # the clock skips the next midnight
        ("+0d", "Europe/Berlin", "2026-03-01T23:00"),
        ("+28d", "Europe/Berlin", "2026-03-29T22:00"),
        ("+4w", "Europe/Berlin", "2026-03-29T22:00"),
        ("2026-03-10T04:00", "Europe/Berlin", "2026-03-10T03:00"),
        ("2026-03-10T04:00Z", "Europe/Berlin", "2026-03-10T04:00"),
        ("2026-03-10T04:00:00+05:30", "Europe/Berlin", "2026-03-09T22:30"),
    ],
)
def test_a_date_is_the_end_of_its_local_day_and_a_time_is_itself(text: str, zone: str, until: str) -> None:
    assert parse_until(text, NOW, ZoneInfo(zone)) == datetime.fromisoformat(until).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-28",
        "2026-03-01T00:00Z",
        "2027-03-03",
        "2026-02-30",
        "9999-12-31",
        "0001-01-01T00:00+23:59",
        "+367d",
        "+53w",
        "+-1d",
        "30d",
        "x",
        "",
    ],
)
def test_what_is_no_date_or_out_of_reach_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_until(text, NOW, UTC)


@pytest.mark.parametrize(("text", "what"), [("cve-2026-0001", "CVE-2026-0001"), ("libc6:i386", "libc6:i386")])
def test_a_package_or_a_cve_can_be_snoozed(text: str, what: str) -> None:
    assert parse_what(text) == what


def test_a_new_snooze_replaces_the_one_in_force_and_keeps_those_that_ended() -> None:
    before = (given.snooze("a", ended_at=given.NOW), given.snooze("a"), given.snooze("b"))
    made = given.snooze("a", comment="again")

    after = with_added(before, [made], given.NOW)

    assert after == (before[0], before[2], made)


def test_the_number_of_snoozes_is_limited() -> None:
    before = [given.snooze(f"p{number}") for number in range(MAX_IN_FORCE)]

    assert len(with_added(before, [given.snooze("p0")], given.NOW)) == MAX_IN_FORCE
    with pytest.raises(ValueError, match="end some"):
        with_added(before, [given.snooze("one-more")], given.NOW)


def test_an_end_is_now_and_once() -> None:
    before = (given.snooze("a"), given.snooze("b"))
    once = with_end(before, ["a"], given.NOW)

    assert [one.ended_at for one in once] == [given.NOW, None]
    assert with_end(once, ["a"], given.NOW + DAY) == once


def test_what_is_over_is_noted_once_kept_for_a_time_and_revived_by_no_clock() -> None:
    before = (given.snooze("a", until=given.NOW + DAY), given.snooze("b", until=given.NOW + 90 * DAY))
    noted = ended(before, given.NOW + 2 * DAY)

    assert [one.what for one in in_force(noted, given.NOW)] == ["b"]
    assert ended(noted, given.NOW) == noted
    assert [one.what for one in ended(noted, given.NOW + 93 * DAY)] == ["b"]
