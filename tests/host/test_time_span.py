"""Time spans as systemctl writes them."""

import pytest

from agent.host.time_span import time_span


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1min 30s", 90.0), ("infinity", None), ("500ms", 0.5), ("2h 5min", 7500.0), ("1d", 86400.0), ("0", 0.0)],
)
def test_time_spans_are_read(text: str, seconds: float | None) -> None:
    assert time_span(text) == seconds
