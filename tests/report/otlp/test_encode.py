"""Requests to an OpenTelemetry collector follow the rules of OTLP, are complete and invent nothing."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.report.metrics import METRIC_FAMILIES
from agent.report.otlp.encode import OtlpRequest, OtlpResponse, Signal, decode_response, encode_logs, encode_metrics
from tests.support import reports
from tests.support.otlp_rules import faults
from tests.support.reports import UNIX

REPORT = reports.full()


def wire(request: OtlpRequest) -> bytes:
    return json.dumps(request.document, allow_nan=False).encode()


def wrong(request: OtlpRequest) -> list[str]:
    return faults(request.signal.value, wire(request))


def records(request: OtlpRequest) -> list[Any]:
    document: Any = request.document
    found: list[Any] = document["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    return found


def attributes(holder: Any) -> dict[str, Any]:
    return {one["key"]: one["value"] for one in holder["attributes"]}


def record(kind: str, document: dict[str, Any] | None = None) -> Any:
    (found,) = records(encode_logs([reports.event(kind, document)], REPORT))
    return found


@pytest.mark.parametrize("report", [REPORT, reports.unknown()], ids=["full", "unknown"])
def test_logs_and_metrics_follow_the_specification(report: dict[str, Any]) -> None:
    assert wrong(encode_logs(reports.events(), report)) == []
    assert wrong(encode_metrics(report)) == []


def test_one_log_record_per_event_and_none_for_states() -> None:
    state = {**reports.event("outcome"), "kind": "state", "body": REPORT}
    request = encode_logs([state, *reports.events(), state], REPORT)

    assert request.count == len(reports.DOCUMENTS)
    assert [one["eventName"] for one in records(request)] == [
        f"maestro.{kind.replace('-', '_')}" for kind in reports.DOCUMENTS
    ]


def test_log_record_has_name_time_and_key() -> None:
    found = record("job-failed")

    assert found["timeUnixNano"] == found["observedTimeUnixNano"] == f"{UNIX}000000000"
    assert found["body"] == {"stringValue": "the job check failed with exit code 1, 3 in a row: no network"}
    assert attributes(found) == {
        "event.name": {"stringValue": "maestro.job_failed"},
        "log.record.uid": {"stringValue": "0000000000000001"},
        "maestro.sequence": {"intValue": "1"},
        "maestro.job_failed.job": {"stringValue": "check"},
        "maestro.job_failed.exit_code": {"intValue": "1"},
        "maestro.job_failed.consecutive_failures": {"intValue": "3"},
        "maestro.job_failed.message": {"stringValue": "no network"},
    }


@pytest.mark.parametrize(
    ("kind", "changes", "number", "text"),
    [
        ("outcome", {"result": "updated"}, 9, "INFO"),
        ("outcome", {"result": "degraded"}, 13, "WARN"),
        ("outcome", {"result": "failed"}, 17, "ERROR"),
        ("outcome", {"result": "something-new"}, 13, "WARN"),
        ("reboot-outcome", {"result": "rebooted"}, 9, "INFO"),
        ("reboot-outcome", {"result": "blocked"}, 13, "WARN"),
        ("reboot-outcome", {"result": "rebooted-with-problems"}, 17, "ERROR"),
        ("reboot-outcome", {"result": "not-rebooted"}, 17, "ERROR"),
        ("reboot-started", {}, 9, "INFO"),
        ("job-failed", {}, 17, "ERROR"),
        ("messages-lost", {}, 17, "ERROR"),
        ("reboot-required", {}, 13, "WARN"),
        ("reboot-cleared", {}, 9, "INFO"),
        ("something-new", {}, 9, "INFO"),
    ],
)
def test_severity_has_number_and_text(kind: str, changes: dict[str, Any], number: int, text: str) -> None:
    found = record(kind, {**reports.DOCUMENTS.get(kind, {}), **changes})

    assert (found["severityNumber"], found["severityText"]) == (number, text)


@pytest.mark.parametrize("kind", reports.DOCUMENTS)
def test_every_event_type_has_a_sentence_even_without_a_document(kind: str) -> None:
    assert "unknown" not in record(kind)["body"]["stringValue"].replace("unknown: ", "")
    assert record(kind, {})["body"]["stringValue"]


def test_outcome_has_its_packages_as_attributes() -> None:
    found = attributes(record("outcome"))

    upgraded = found["maestro.outcome.upgraded"]["arrayValue"]["values"]
    assert len(upgraded) == len(reports.DOCUMENTS["outcome"]["upgraded"]) > 0
    assert "kvlistValue" in upgraded[0]
    assert "maestro.outcome.schema" not in found


@pytest.mark.parametrize(("found", "expected"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("riscv64", "riscv64")])
def test_architecture_has_opentelemetrys_name(found: str, expected: str) -> None:
    report = {**REPORT, "host": {**REPORT["host"], "architecture": found}}
    document: Any = encode_metrics(report).document

    assert attributes(document["resourceMetrics"][0]["resource"])["host.arch"]["stringValue"] == expected


def test_resource_names_machine_and_agent() -> None:
    document: Any = encode_metrics(REPORT).document

    found = {
        name: value["stringValue"] for name, value in attributes(document["resourceMetrics"][0]["resource"]).items()
    }

    assert found == {
        "service.name": "maestro-agent",
        "service.version": "0.5.0",
        "service.instance.id": reports.HOST,
        "host.id": reports.HOST,
        "host.name": "web-1",
        "host.arch": "amd64",
        "os.type": "linux",
        "os.name": "debian",
        "os.version": "12",
    }


def test_metrics_equal_those_of_the_textfile_without_info_metrics() -> None:
    request = encode_metrics(REPORT)
    document: Any = request.document
    found = document["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]

    assert [one["name"] for one in found] == [family.name for family in METRIC_FAMILIES if not family.info]
    assert {one["name"] for one in found if "sum" in one} == {"maestro.outbox.dropped", "maestro.outbox.refused"}
    assert request.count == sum(len(one.get("gauge", one.get("sum"))["dataPoints"]) for one in found)
    size = next(one for one in found if one["name"] == "maestro.outbox.size")
    assert size["unit"] == "By"
    assert size["gauge"]["dataPoints"] == [{"attributes": [], "timeUnixNano": f"{UNIX}000000000", "asInt": "1234"}]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters(), max_size=8)
    | st.sampled_from(["\udc80", "\x00", reports.MOMENT]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=15,
)  # fmt: skip


@given(st.sampled_from([*reports.DOCUMENTS, "new-kind"]), st.dictionaries(st.text(max_size=6), JSON), st.text())
def test_arbitrary_documents_follow_the_specification(kind: str, document: dict[str, Any], name: str) -> None:
    report = copy.deepcopy(REPORT)
    report["host"]["name"] = name

    assert wrong(encode_logs([reports.event(kind, {**reports.DOCUMENTS.get(kind, {}), **document})], report)) == []


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"", OtlpResponse(rejected=0, message="")),
        (b"{}", OtlpResponse(rejected=0, message="")),
        (b'{"partialSuccess":{}}', OtlpResponse(rejected=0, message="")),
        (b'{"partialSuccess":null,"future":1}', OtlpResponse(rejected=0, message="")),
        (b'{"partialSuccess":{"rejectedLogRecords":"2"}}', OtlpResponse(rejected=2, message="")),
        (
            b'{"partialSuccess":{"rejectedLogRecords":1,"errorMessage":"too old"}}',
            OtlpResponse(rejected=1, message="too old"),
        ),
        (b'{"partialSuccess":{"errorMessage":"soon gone"}}', OtlpResponse(rejected=0, message="soon gone")),
        (
            b'{"partialSuccess":{"rejectedLogRecords":"9223372036854775807"}}',
            OtlpResponse(rejected=len(reports.DOCUMENTS), message=""),
        ),
        (b'{"partialSuccess":{"rejectedLogRecords":"-1"}}', None),
        (b'{"partialSuccess":{"rejectedLogRecords":true}}', None),
        (b'{"partialSuccess":{"rejectedLogRecords":"' + b"9" * 5000 + b'"}}', None),
        (b'{"partialSuccess":[]}', None),
        (b"[]", None),
        (b"<html>", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
        (b"9" * 100_000, None),
    ],
)
def test_responses_are_validated(body: bytes, answer: OtlpResponse | None) -> None:
    assert decode_response(encode_logs(reports.events(), REPORT), body) == answer


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_body_is_no_exception(body: bytes) -> None:
    answer = decode_response(encode_logs(reports.events(), REPORT), body)

    assert answer is None or 0 <= answer.rejected <= len(reports.DOCUMENTS)


def test_each_signal_has_its_own_count_of_rejections() -> None:
    answer = decode_response(
        encode_metrics(REPORT), b'{"partialSuccess":{"rejectedDataPoints":"3","rejectedLogRecords":"7"}}'
    )

    assert answer == OtlpResponse(rejected=3, message="")
    assert {signal.value for signal in Signal} == {"logs", "metrics"}
