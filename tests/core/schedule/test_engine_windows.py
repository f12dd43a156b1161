"""The daemon upgrades an engine in a window only, once in each opening, and never after a try that needs a person."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from agent.core.model.engine_outcome import EngineResult
from agent.core.schedule.engine_windows import PREPARATION, EngineWork, LastTry, after_boot, window_start
from agent.core.windows import parse_window

UTC = timezone.utc
WINDOW = parse_window("Sat 02:00-04:00", ZoneInfo)
OPENS = datetime(2026, 12, 5, 2, tzinfo=UTC)
NEXT = OPENS + timedelta(days=7)
WORK = EngineWork(plan_id="a", startable=True, expected_s=60)
TRIED = LastTry(at=OPENS + timedelta(minutes=1), plan_id="a", result=EngineResult.BLOCKED)


def start(now: datetime, work: EngineWork = WORK, last: LastTry | None = None) -> datetime | None:
    return window_start(WINDOW, work, last, now=now, local=UTC)


def test_it_starts_when_the_window_opens() -> None:
    assert start(OPENS - timedelta(days=3)) == OPENS
    assert start(OPENS + timedelta(minutes=30)) == OPENS


def test_it_does_not_start_too_late_to_end_in_the_window() -> None:
    latest = OPENS + timedelta(hours=2) - PREPARATION - timedelta(seconds=60)

    assert start(latest) == OPENS
    assert start(latest + timedelta(seconds=1)) == NEXT


@pytest.mark.parametrize("result", [*EngineResult, None], ids=lambda one: one.value if one else "unknown")
def test_one_opening_has_one_try(result: EngineResult | None) -> None:
    found = start(OPENS + timedelta(minutes=30), last=replace(TRIED, plan_id="b", result=result))

    assert found == (None if result is EngineResult.FAILED_NEEDS_ATTENTION else NEXT)


def test_a_try_before_this_opening_does_not_count() -> None:
    assert start(OPENS, last=replace(TRIED, at=OPENS - timedelta(seconds=1))) == OPENS


def test_a_try_recorded_while_the_clock_was_ahead_does_not_count() -> None:
    assert start(OPENS, last=replace(TRIED, at=OPENS + timedelta(days=400))) == OPENS


@pytest.mark.parametrize(
    ("result", "plan", "starts"),
    [
        (EngineResult.FAILED_NEEDS_ATTENTION, "a", False),
        (EngineResult.FAILED_NEEDS_ATTENTION, "b", False),
        (EngineResult.ROLLED_BACK, "a", False),
        (EngineResult.ROLLED_BACK, "b", True),
        (EngineResult.UPGRADED, "a", True),
        (EngineResult.INTERRUPTED, "a", True),
    ],
    ids=lambda value: value.value if isinstance(value, EngineResult) else str(value),
)
def test_what_failed_is_left_to_a_person(result: EngineResult, plan: str, starts: bool) -> None:  # noqa: FBT001 - a table
    last = LastTry(at=OPENS - timedelta(days=7), plan_id=plan, result=result)

    assert start(OPENS, last=last) == (OPENS if starts else None)


def test_a_machine_that_boots_within_the_window_waits_until_it_has_settled() -> None:
    booted = OPENS + timedelta(minutes=10)

    assert after_boot(OPENS, up_since=OPENS - timedelta(seconds=1), share=0) == OPENS
    assert after_boot(OPENS, up_since=booted, share=0) == booted + timedelta(minutes=5)
    assert after_boot(NEXT, up_since=booted, share=0) == NEXT


def test_nothing_to_do_or_something_that_blocks_starts_nothing() -> None:
    assert start(OPENS, replace(WORK, startable=False)) is None


def test_an_upgrade_that_is_longer_than_the_window_never_starts_by_itself() -> None:
    assert start(OPENS, replace(WORK, expected_s=2 * 3600)) is None
    assert start(OPENS, replace(WORK, expected_s=None)) == OPENS
