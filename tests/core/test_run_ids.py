"""Ids of runs sort by the order of the runs, as text, whatever the clock does."""

from datetime import datetime, timedelta, timezone

import pytest

from agent.core.run_ids import next_run_id

NOW = datetime(2026, 11, 30, 6, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        ("", "20261130T060000Z"),
        ("20261129T060000Z-017", "20261130T060000Z"),
        ("20261130T060000Z", "20261130T060000Z-002"),
        ("20261130T060000Z-002", "20261130T060000Z-003"),
        ("20380101T000000Z", "20380101T000000Z-002"),
        ("20380101T000000Z-999", "20380101T000001Z"),
        ("20371231T235959Z-999", "20380101T000000Z"),
    ],
    ids=["first", "later", "same second", "third", "clock was ahead", "for 999 runs", "over midnight"],
)
def test_the_next_id(newest: str, expected: str) -> None:
    assert next_run_id(newest, NOW) == expected


def test_ids_sort_as_text_in_the_order_of_the_runs_after_one_with_the_clock_ahead() -> None:
    ids = ["20380101T000000Z"]
    for number in range(2500):
        ids.append(next_run_id(ids[-1], NOW + timedelta(hours=6 * number)))

    assert ids == sorted(set(ids))
