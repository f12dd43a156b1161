"""Wall clock anomalies are noticed beyond their tolerance, and not before."""

from datetime import timedelta

import pytest

from agent.core.clock import JOB_ATTEMPT_TOLERANCE, is_future, jumped
from tests.core.given import NOW

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("ahead", "tolerance", "expected"),
    [
        (-SECOND, timedelta(0), False),
        (timedelta(0), timedelta(0), False),
        (SECOND, timedelta(0), True),
        (JOB_ATTEMPT_TOLERANCE, JOB_ATTEMPT_TOLERANCE, False),
        (JOB_ATTEMPT_TOLERANCE + SECOND, JOB_ATTEMPT_TOLERANCE, True),
    ],
)
def test_a_time_is_in_the_future_beyond_the_tolerance(ahead: timedelta, tolerance: timedelta, expected: bool) -> None:  # noqa: FBT001 - a table
    assert is_future(NOW + ahead, NOW, tolerance) is expected


@pytest.mark.parametrize(
    ("change_s", "expected"), [(0.0, False), (4.9, False), (-4.9, False), (5.1, True), (-5.1, True)]
)
def test_a_clock_that_was_stepped_has_jumped_and_a_slewed_one_has_not(change_s: float, expected: bool) -> None:  # noqa: FBT001 - a table
    assert jumped(1_700_000_000.0, 1_700_000_000.0 + change_s) is expected
