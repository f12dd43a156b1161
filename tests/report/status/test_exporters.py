"""What `status` says of those who are told."""

from datetime import datetime, timezone
from typing import Any

from agent.report.status.exporters import ExporterView, exporter_lines, exporter_reasons, exporters_section
from agent.state.exporter_status import ExporterName
from agent.state.json_reader import JsonReader

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


def view(**changes: object) -> ExporterView:
    return ExporterView(JsonReader({**WELL, **changes}, "exporters"))


def endpoint(**changes: object) -> dict[ExporterName, ExporterView]:
    return {ExporterName.ENDPOINT: view(**changes)}


def lines(**changes: object) -> list[str]:
    return exporter_lines(endpoint(**changes), NOON)


def test_nobody_is_told_where_nothing_is_known() -> None:
    assert exporters_section({}) is None
    assert exporter_lines({}, NOON) == exporter_reasons({}, NOON) == []


def test_a_centre_that_is_told_is_a_line() -> None:
    assert lines() == ["Endpoint     sent 2 minutes ago"]
    assert exporter_reasons(endpoint(), NOON) == []


def test_a_centre_that_is_away_is_told_with_what_waits() -> None:
    changes = {"failing_since": "2026-11-23T11:50:00Z", "why": "HTTP 503 Busy", "depth": 3}

    words = "sent 2 minutes ago, failing for 10 minutes: HTTP 503 Busy; 3 events queued"
    assert lines(**changes) == [f"Endpoint     {words}"]
    assert exporter_reasons(endpoint(**changes), NOON) == []


def test_how_much_waits_is_not_made_up_where_the_outbox_could_not_be_read() -> None:
    changes = {"failing_since": "2026-11-23T11:50:00Z", "why": "no space", "depth": None, "dropped": None}

    assert lines(**changes) == ["Endpoint     sent 2 minutes ago, failing for 10 minutes: no space"]


def test_a_clock_that_is_wrong_is_told() -> None:
    assert lines(skew_s=-3600) == ["Endpoint     sent 2 minutes ago; this machine's clock is 3600 s behind"]
    assert lines(skew_s=31) == ["Endpoint     sent 2 minutes ago; this machine's clock is 31 s ahead"]
    assert lines(skew_s=30) == lines(skew_s=None) == lines()


def test_a_centre_that_is_away_for_long_is_a_reason_for_attention() -> None:
    last = {"last_success_at": "2026-11-23T09:45:00Z"}
    changes = {**last, "failing_since": "2026-11-23T09:50:00Z", "why": "Connection refused"}

    (reason,) = exporter_reasons(endpoint(**changes), NOON)

    assert reason == "no report has reached the endpoint since 2026-11-23 09:50 UTC: Connection refused"


def test_where_states_arrive_and_events_do_not_it_is_the_events_that_are_missed() -> None:
    changes = {"failing_since": "2026-11-23T09:50:00Z", "why": "disk is full"}

    (reason,) = exporter_reasons(endpoint(**changes), NOON)

    assert reason == "no event has reached the endpoint since 2026-11-23 09:50 UTC: disk is full"


def test_each_listener_that_is_on_is_a_line_with_what_will_never_arrive() -> None:
    enabled = {
        ExporterName.PROMETHEUS: view(failing_since="2026-11-23T11:50:00Z", why="no directory"),
        ExporterName.OTLP: view(dropped=7, refused=1, points_refused=40),
    }

    part, found = exporters_section(enabled), exporter_lines(enabled, NOON)

    assert part is not None
    assert part["endpoint"] is None
    assert found == [
        "Prometheus   sent 2 minutes ago, failing for 10 minutes: no directory",
        "OTLP         sent 2 minutes ago; 7 dropped; 1 rejected; 40 data points rejected",
    ]


def test_a_reason_has_the_same_words_each_time_so_that_no_report_is_new_for_it() -> None:
    found = endpoint(failing_since="2026-11-23T09:50:00Z", why="away")

    later = datetime(2026, 11, 25, tzinfo=timezone.utc)
    assert exporter_reasons(found, NOON) == exporter_reasons(found, later)
