"""Times of the engine."""

from datetime import datetime, timezone

import pytest

from agent.host.docker.actions import parse_time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-28T10:00:00.123456789Z", datetime(2026, 11, 28, 10, 0, 0, 123456, timezone.utc)),
        ("2026-11-28T10:00:00.5Z", datetime(2026, 11, 28, 10, 0, 0, 500000, timezone.utc)),
        ("2026-11-28T10:00:00Z", datetime(2026, 11, 28, 10, tzinfo=timezone.utc)),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_a_time_of_the_engine(text: str, expected: datetime | None) -> None:
    assert parse_time(text) == expected
