"""A reboot in its window: when it may start, through a whole year and the nights in which clocks change."""

from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest

from agent.core.policy.policy import RebootMode, RebootPolicy
from agent.core.reboot.gates import GateFacts, GateRequest, RebootGate, RebootOrigin, Verdict
from agent.core.reboot.local_gates import local_gates
from agent.core.reboot.opening import RebootRules, opens_at, reboot_standing
from agent.core.windows import WindowState, parse_window

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
NEEDED = timedelta(minutes=11)
"""By default: a warning of a minute, and ten for hooks and the reboot."""


def rules(window: str, **changes: object) -> RebootRules:
    policy = RebootPolicy(policy=RebootMode.WINDOW, window=window, **changes)  # type: ignore[arg-type] # of the policy
    return RebootRules(policy=policy, window=parse_window(window, ZoneInfo))


def verdict(asked: RebootRules, now: datetime, local: tzinfo = UTC) -> Verdict:
    states = local_gates(GateFacts(), GateRequest(origin=RebootOrigin.POLICY), asked, now=now, local=local)
    return next(state.verdict for state in states if state.gate is RebootGate.WINDOW)


def open_minutes(asked: RebootRules, start: datetime, hours: int) -> list[datetime]:
    """Return every minute in which a reboot may start."""
    minutes = (start + timedelta(minutes=minute) for minute in range(hours * 60))
    return [now for now in minutes if verdict(asked, now) is Verdict.OPEN]


@pytest.mark.parametrize(
    ("window", "night", "first", "last"),
    [
        # clocks go forward at 01:00 UTC: 2:00 to 3:00 does not exist
        ("Sun 02:00-04:00", "2026-03-28T20:00", "2026-03-29T01:00", "2026-03-29T01:49"),
        ("Sun 01:00-02:30", "2026-03-28T20:00", "2026-03-29T00:00", "2026-03-29T00:49"),
        ("Sat 23:00-03:30", "2026-03-28T20:00", "2026-03-28T22:00", "2026-03-29T01:19"),
        # clocks go back at 01:00 UTC: 2:00 to 3:00 comes twice
        ("Sun 02:00-04:00", "2026-10-24T20:00", "2026-10-25T00:00", "2026-10-25T02:49"),
        ("Sun 02:15-02:45", "2026-10-24T20:00", "2026-10-25T00:15", "2026-10-25T00:34"),
        ("Sat 23:00-03:30", "2026-10-24T20:00", "2026-10-24T21:00", "2026-10-25T02:19"),
    ],
    ids=["forward", "forward-end", "forward-over", "back", "back-repeated", "back-over"],
)
def test_in_the_nights_in_which_clocks_change(window: str, night: str, first: str, last: str) -> None:
    found = open_minutes(rules(f"{window} Europe/Berlin"), datetime.fromisoformat(night).replace(tzinfo=UTC), 8)

    assert (found[0], found[-1]) == tuple(datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (first, last))
    assert len(found) == (found[-1] - found[0]) // timedelta(minutes=1) + 1, "without a gap"


def test_the_machines_own_zone_counts_where_the_window_names_none() -> None:
    now = datetime(2026, 7, 4, 0, 30, tzinfo=UTC)

    assert verdict(rules("Sat 02:00-04:00"), now, BERLIN) is Verdict.OPEN
    assert verdict(rules("Sat 02:00-04:00"), now) is Verdict.CLOSED


def test_a_window_that_is_over_while_hooks_ran_is_closed_when_the_gates_are_asked_again() -> None:
    asked = rules("Sat 02:00-04:00", expected=timedelta(minutes=30))
    before = datetime(2026, 11, 28, 3, 28, tzinfo=UTC)

    assert verdict(asked, before) is Verdict.OPEN
    assert verdict(asked, before + timedelta(minutes=2)) is Verdict.CLOSED


def test_when_it_opens_it_is_open_and_not_a_second_before_all_through_a_year() -> None:
    for window in ("Sat 02:00-04:00 Europe/Berlin", "last Sun 01:30-03:30 Europe/Berlin", "2nd Sat 22:00-02:00"):
        asked, now = rules(window), datetime(2026, 1, 1, tzinfo=UTC)
        assert asked.window is not None
        while now.year == 2026:
            found = reboot_standing(asked, asked.window, now, UTC)
            start, end = found.opening.start, found.opening.end
            assert found.state is WindowState.CLOSED
            assert opens_at(asked, found, UTC) == start > now
            edges = {start - timedelta(seconds=1): False, start: True, end - NEEDED: True, end - NEEDED / 2: False}
            assert {at: verdict(asked, at) is Verdict.OPEN for at in edges} == edges, window
            now = end


@pytest.mark.parametrize("text", ["2026-10-25T02:30", "2026-10-25T02:30:00+01:00", "2026-10-25"])
def test_a_hold_off_may_end_in_a_night_in_which_clocks_change(text: str) -> None:
    asked = rules("daily 00:00-23:00 Europe/Berlin", not_before=text)
    assert asked.window is not None
    now = datetime(2026, 10, 24, 12, tzinfo=UTC)

    at = opens_at(asked, reboot_standing(asked, asked.window, now, BERLIN), BERLIN)

    assert at is not None
    assert at.astimezone(BERLIN).replace(tzinfo=None) == datetime.fromisoformat(text).replace(tzinfo=None)
    assert verdict(asked, at, BERLIN) is Verdict.OPEN
    assert verdict(asked, at - timedelta(seconds=1), BERLIN) is Verdict.CLOSED
