"""Exporters in `status`: lines, reasons, the `reporting` section."""

from datetime import datetime, timezone
from typing import Any

from agent.core.exporters import ExporterName
from agent.report.status.exporters import ExporterView, exporter_lines, exporter_reasons, exporters_section
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
    return [*exporter_lines(endpoint(**changes), NOON, width=13)]


def test_no_exporter_is_shown_if_none_is_enabled() -> None:
    assert exporters_section({}) is None
    assert exporter_lines({}, NOON, width=13) == exporter_reasons({}, NOON) == []


def test_an_endpoint_that_was_sent_to_is_one_line() -> None:
    assert lines() == ["Endpoint     last sent 2 minutes ago"]
    assert exporter_reasons(endpoint(), NOON) == []


def test_a_failing_endpoint_is_shown_with_its_queue() -> None:
    changes = {"failing_since": "2026-11-23T11:50:00Z", "why": "HTTP 503 Busy", "depth": 3}

    line = "failing since 2026-11-23 11:50 UTC: HTTP 503 Busy; last sent 2 minutes ago, 3 events queued"
    assert lines(**changes) == [f"Endpoint     {line}"]
    assert exporter_reasons(endpoint(**changes), NOON) == []


def test_the_line_names_where_it_is_sent_to() -> None:
    (line,) = lines(target="https://fleet.example.org", last_success_at=None, depth=1)

    assert line == "Endpoint     https://fleet.example.org  no success on record, 1 event queued"


def test_an_unknown_queue_length_is_not_shown() -> None:
    changes = {"failing_since": "2026-11-23T11:50:00Z", "why": "no space", "depth": None, "dropped": None}

    assert lines(**changes) == ["Endpoint     failing since 2026-11-23 11:50 UTC: no space; last sent 2 minutes ago"]


def test_a_clock_skew_is_shown() -> None:
    assert lines(skew_s=-3600) == ["Endpoint     last sent 2 minutes ago; this machine's clock is 3600 s behind"]
    assert lines(skew_s=31) == ["Endpoint     last sent 2 minutes ago; this machine's clock is 31 s ahead"]
    assert lines(skew_s=30) == lines(skew_s=None) == lines()


def test_an_endpoint_that_fails_for_long_is_a_reason_for_attention() -> None:
    last = {"last_success_at": "2026-11-23T09:45:00Z"}
    changes = {**last, "failing_since": "2026-11-23T09:50:00Z", "why": "Connection refused"}

    (reason,) = exporter_reasons(endpoint(**changes), NOON)

    assert reason == "no report has reached the endpoint since 2026-11-23 09:50 UTC: Connection refused"


def test_if_reports_arrive_and_events_do_not_the_reason_names_events() -> None:
    changes = {"failing_since": "2026-11-23T09:50:00Z", "why": "disk is full"}

    (reason,) = exporter_reasons(endpoint(**changes), NOON)

    assert reason == "no event has reached the endpoint since 2026-11-23 09:50 UTC: disk is full"


def test_a_success_in_the_future_is_no_report_that_arrives() -> None:
    changes = {"failing_since": "2026-11-23T09:50:00Z", "why": "away", "last_success_at": "2026-11-23T15:00:00Z"}

    (reason,) = exporter_reasons(endpoint(**changes), NOON)

    assert reason.startswith("no report ")


def test_each_enabled_exporter_is_one_line_with_its_losses() -> None:
    enabled = {
        ExporterName.PROMETHEUS: view(failing_since="2026-11-23T11:50:00Z", why="no directory"),
        ExporterName.OTLP: view(dropped=7, refused=1, points_refused=40),
    }

    part, found = exporters_section(enabled), exporter_lines(enabled, NOON, width=17)

    assert part is not None
    assert part["endpoint"] is None
    assert found == [
        "Prometheus file  failing since 2026-11-23 11:50 UTC: no directory; last sent 2 minutes ago",
        "OTLP             last sent 2 minutes ago; 7 dropped; 1 rejected; 40 data points rejected",
    ]


def test_a_reason_stays_the_same_over_time_so_that_the_report_is_not_new() -> None:
    found = endpoint(failing_since="2026-11-23T09:50:00Z", why="away")

    later = datetime(2026, 11, 25, tzinfo=timezone.utc)
    assert exporter_reasons(found, NOON) == exporter_reasons(found, later)
