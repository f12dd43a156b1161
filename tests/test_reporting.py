"""What `status` says of those who are told."""

from datetime import datetime, timezone
from typing import Any

from agent.reading import Reader
from agent.reporting import reporting_lines, reporting_part, reporting_reasons

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
WELL: dict[str, Any] = {
    "last_success_at": "2026-11-23T11:58:00Z",
    "failing_since": None,
    "why": "",
    "depth": 0,
    "oldest_at": None,
    "dropped": 0,
    "refused": 0,
    "skew_s": 0,
}


def telling(**changes: object) -> Reader:
    return Reader({"listeners": {"centre": {**WELL, **changes}}}, "telling")


def lines(**changes: object) -> list[str]:
    return reporting_lines(Reader(reporting_part(telling(**changes)), "reporting"), NOON)


def test_nobody_is_told_where_nothing_is_known() -> None:
    assert reporting_part(None) is None
    assert reporting_lines(None, NOON) == reporting_reasons(None, NOON) == []


def test_a_centre_that_is_told_is_a_line() -> None:
    assert lines() == ["Centre       told 2 minutes ago"]
    assert reporting_reasons(telling(), NOON) == []


def test_a_centre_that_is_away_is_told_with_what_waits() -> None:
    changes = {"failing_since": "2026-11-23T11:50:00Z", "why": "HTTP 503 Busy", "depth": 3}

    words = "told 2 minutes ago, failing for 10 minutes: HTTP 503 Busy; 3 events wait"
    assert lines(**changes) == [f"Centre       {words}"]
    assert reporting_reasons(telling(**changes), NOON) == []


def test_a_centre_that_is_away_for_long_is_a_reason_for_attention() -> None:
    changes = {"failing_since": "2026-11-23T09:50:00Z", "why": "Connection refused"}

    (reason,) = reporting_reasons(telling(**changes), NOON)

    assert reason == "no report has reached the centre since 2026-11-23 09:50 UTC: Connection refused"
