"""The wait for a start limit, the judgement after a restart, the result of a run."""

from datetime import datetime, timezone

import pytest

from agent.core.restart.model import (
    RestartAction,
    RestartOutcome,
    RestartResult,
    RestartUnit,
    SystemdUnit,
    UnitResult,
)
from agent.core.restart.verdict import judge, restart_limit_s, restart_result, start_limit_wait_s, still_failed
from tests.core.restart.given_units import unit

NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("limit_s", "started_at_s", "expected"),
    [
        pytest.param(10.0, 100.0, 0.0, id="started-long-ago"),
        pytest.param(10.0, 990.0, 0.0, id="started-an-interval-ago"),
        pytest.param(10.0, 996.5, 6.5, id="started-within-the-interval"),
        pytest.param(None, 999.0, 0.0, id="no-limit"),
        pytest.param(10.0, None, 0.0, id="start-not-known"),
        pytest.param(600.0, 700.0, 300.0, id="a-long-interval"),
    ],
)
def test_a_restart_is_the_only_start_within_the_start_limit(
    limit_s: float | None, started_at_s: float | None, expected: float
) -> None:
    assert start_limit_wait_s(unit("a.service", start_limit_s=limit_s, started_at_s=started_at_s), 1000.0) == expected


BEFORE = unit("a.service")
AFTER = unit("a.service", invocation_id="after")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(BEFORE, AFTER, UnitResult.RESTARTED, id="runs"),
        pytest.param(BEFORE, BEFORE, UnitResult.FAILED, id="was-not-restarted"),
        pytest.param(
            BEFORE,
            unit("a.service", active_state="failed", result="exit-code", invocation_id="after"),
            UnitResult.FAILED,
            id="died-at-once",
        ),
        pytest.param(
            BEFORE,
            unit("a.service", active_state="failed", result="start-limit-hit", invocation_id="after"),
            UnitResult.FAILED,
            id="start-limit",
        ),
        pytest.param(
            BEFORE,
            unit("a.service", active_state="activating", sub_state="auto-restart", invocation_id="after"),
            UnitResult.FAILED,
            id="dies-again-and-again",
        ),
        pytest.param(
            BEFORE, unit("a.service", auto_restarts=2, invocation_id="after"), UnitResult.FAILED, id="came-back"
        ),
        pytest.param(
            BEFORE, unit("a.service", active_state="inactive", invocation_id="after"), UnitResult.FAILED, id="ended"
        ),
        pytest.param(
            unit("a.service", service_type="dbus"),
            unit("a.service", active_state="inactive", invocation_id="after"),
            UnitResult.RESTARTED,
            id="ended-and-starts-on-demand",
        ),
        pytest.param(
            unit("a.service", triggered_by=("a.socket",)),
            unit("a.service", active_state="inactive", invocation_id=""),
            UnitResult.RESTARTED,
            id="ended-and-its-socket-listens",
        ),
    ],
)
def test_a_restart_is_judged_by_the_state_some_seconds_later(
    before: SystemdUnit, after: SystemdUnit, expected: UnitResult
) -> None:
    result, detail = judge(before, after)

    assert result is expected
    assert bool(detail) is (after is not AFTER)


@pytest.mark.parametrize(
    ("stop_s", "start_s", "expected"),
    [(90.0, 90.0, 195.0), (None, 90.0, 405.0), (5000.0, None, 600.0), (0.5, 0.5, 16.0)],
    ids=["usual", "no-limit", "longest", "short"],
)
def test_a_restart_may_take_as_long_as_the_unit_allows(
    stop_s: float | None, start_s: float | None, expected: float
) -> None:
    assert restart_limit_s(unit("a.service", stop_limit_s=stop_s, begin_limit_s=start_s)) == expected


@pytest.mark.parametrize(
    ("results", "stopped", "expected"),
    [
        ((), False, RestartResult.UNCHANGED),
        ((UnitResult.LEFT,), False, RestartResult.UNCHANGED),
        ((UnitResult.RESTARTED, UnitResult.LEFT), False, RestartResult.RESTARTED),
        ((UnitResult.RESTARTED, UnitResult.FAILED), False, RestartResult.DEGRADED),
        ((UnitResult.FAILED, UnitResult.LEFT), False, RestartResult.FAILED),
        ((UnitResult.RESTARTED, UnitResult.LEFT), True, RestartResult.INTERRUPTED),
    ],
    ids=["none", "only-left", "restarted", "degraded", "failed", "stopped"],
)
def test_the_result_of_a_run(results: tuple[UnitResult, ...], *, stopped: bool, expected: RestartResult) -> None:
    units = tuple(
        RestartUnit(unit=f"u{number}.service", action=RestartAction.RESTART, result=result)
        for number, result in enumerate(results)
    )
    run = RestartOutcome(id="1", started_at=NOW, finished_at=NOW, result=RestartResult.INTERRUPTED, units=units)

    assert restart_result(run, stopped=stopped) is expected


@pytest.mark.parametrize(
    ("seen", "was_inactive", "kept"),
    [
        (unit("app.service"), False, None),
        (unit("app.service", active_state="failed"), False, "failed"),
        (unit("app.service", active_state="activating"), False, "activating"),
        (unit("app.service", active_state="inactive"), True, "inactive"),
        (unit("app.service", active_state="inactive"), False, None),
        (unit("app.service", active_state="inactive", load_state="masked"), True, None),
        (unit("app.service", active_state="inactive", load_state="not-found"), True, None),
        (None, False, ""),
    ],
    ids=["active", "failed", "starting", "inactive", "reset-by-a-person", "masked", "gone", "no-answer"],
)
def test_a_failed_restart_is_kept_until_the_service_is_well(
    seen: SystemdUnit | None, kept: str | None, *, was_inactive: bool
) -> None:
    found = still_failed("app.service", seen, was_inactive=was_inactive)

    assert (found.active_state if found else None) == kept
