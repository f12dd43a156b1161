"""Classification of responses, and the backoff after them."""

from datetime import timedelta

import pytest

from agent.core.schedule.backoff import LONGEST, ResponseClass, backoff_delay, classify_status

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (200, ResponseClass.OK),
        *((status, ResponseClass.RETRY) for status in (429, 502, 503, 504)),
        *((status, ResponseClass.REJECTED) for status in (400, 413, 422)),
        *(
            (status, ResponseClass.MISCONFIGURED)
            for status in (301, 302, 307, 308, 401, 403, 404, 405, 408, 411, 415, 418)
        ),
        *((status, ResponseClass.SERVER_ERROR) for status in (100, 199, 201, 202, 204, 206, 500, 501, 505, 599, 999)),
    ],
)
def test_classification_of_a_status(status: int, meaning: ResponseClass) -> None:
    assert classify_status(status) is meaning


@pytest.mark.parametrize(("failures", "bound_s"), [(0, 30), (1, 30), (2, 60), (3, 120), (6, 900), (9999, 900)])
def test_backoff_is_drawn_below_a_bound_that_doubles_up_to_15_minutes(failures: int, bound_s: int) -> None:
    assert backoff_delay(failures, 0.0) == timedelta(0)
    assert backoff_delay(failures, 0.5) == timedelta(seconds=bound_s / 2)
    assert backoff_delay(failures, 1.0) == timedelta(seconds=bound_s) <= LONGEST


@pytest.mark.parametrize(
    ("retry_after_s", "least_s", "most_s"),
    [(-5, 0, 300), (0, 0, 300), (30, 30, 330), (1200, 1200, 1800), (3600, 3600, 5400), (1e9, 3600, 5400)],
)
def test_retry_after_is_the_minimum_and_at_most_an_hour(retry_after_s: float, least_s: float, most_s: float) -> None:
    retry_after = timedelta(seconds=retry_after_s)

    assert backoff_delay(1, 0.0, retry_after) == least_s * SECOND
    assert backoff_delay(1, 1.0, retry_after) == most_s * SECOND
