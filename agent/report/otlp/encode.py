"""Reports and events as OTLP/HTTP in JSON: logs and metrics for an OpenTelemetry collector. Pure.

The rules are opentelemetry-proto's, docs/specification.md ("JSON Protobuf Encoding"): keys in lowerCamelCase, enums as
their numbers, 64-bit integers as strings of digits, unknown values left out.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from enum import Enum
from math import isfinite

from agent.core.frozen import frozen
from agent.core.schemas import Document
from agent.report.event_text import event_sentence
from agent.report.metric_values import Labels, Number, value_at
from agent.report.metrics import Metric, collect_metrics
from agent.state.timestamps import parse_utc

_SCOPE = "maestro-agent"
_CUMULATIVE = 2
"""AGGREGATION_TEMPORALITY_CUMULATIVE of metrics.proto."""
_INT64 = 1 << 63
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    **dict.fromkeys(("armhf", "armel", "armv7l"), "arm32"),
    **dict.fromkeys(("i386", "i686"), "x86"),
    **dict.fromkeys(("ppc64el", "ppc64le"), "ppc64"),
}
"""Debian's and the kernel's names where OpenTelemetry has another for `host.arch`."""


class Severity(Enum):
    """SeverityNumber of logs.proto."""

    INFO = 9
    WARN = 13
    ERROR = 17


_BY_RESULT = {
    **dict.fromkeys(("failed", "failed-needs-attention", "rolled-back"), Severity.ERROR),
    **dict.fromkeys(("rebooted-with-problems", "not-rebooted"), Severity.ERROR),
    **dict.fromkeys(("rebooted", "not-required"), Severity.INFO),
    **dict.fromkeys(("up-to-date", "updated", "unchanged", "upgraded", "restarted"), Severity.INFO),
}
"""Of packages, of Docker or Weave, and of reboots; WARN for all others."""
_BY_TYPE = {
    "job-failed": Severity.ERROR,
    "messages-lost": Severity.ERROR,
    "reboot-required": Severity.WARN,
}


class Signal(Enum):
    """Kind of telemetry; the value is the last part of the URL."""

    LOGS = "logs"
    METRICS = "metrics"

    @property
    def rejected(self) -> str:
        """The response's field that counts rejected items."""
        return "rejectedLogRecords" if self is Signal.LOGS else "rejectedDataPoints"


@frozen
class OtlpRequest:
    """One request to a collector."""

    signal: Signal
    document: Document
    count: int
    """Log records or data points."""


@frozen
class OtlpResponse:
    """A collector's response to an accepted request."""

    rejected: int
    message: str


def encode_logs(messages: Sequence[Document], report: Document) -> OtlpRequest:
    """Return one log record per event; `messages` as in `maestro.batch/1`, other kinds are skipped."""
    records = [_record(message) for message in messages if message.get("kind") == "event"]
    scope = {"scope": _scope(report), "logRecords": records}
    document: Document = {"resourceLogs": [{"resource": _resource(report), "scopeLogs": [scope]}]}
    return OtlpRequest(signal=Signal.LOGS, document=document, count=len(records))


def encode_metrics(report: Document) -> OtlpRequest:
    """Return all metrics of a report."""
    metrics = [metric for metric in collect_metrics(report) if not metric.family.info]
    when = _nanoseconds(report.get("generated_at"))
    scope = {"scope": _scope(report), "metrics": [_metric(metric, when) for metric in metrics]}
    document: Document = {"resourceMetrics": [{"resource": _resource(report), "scopeMetrics": [scope]}]}
    return OtlpRequest(signal=Signal.METRICS, document=document, count=sum(len(metric.points) for metric in metrics))


def decode_response(request: OtlpRequest, body: bytes) -> OtlpResponse | None:
    """Parse the response to an accepted request; None where it is not one. An empty body is a plain success."""
    if not body.strip():
        return OtlpResponse(rejected=0, message="")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    partial = document.get("partialSuccess")
    if partial is None:
        return OtlpResponse(rejected=0, message="")
    rejected, message = _count(value_at(partial, request.signal.rejected)), value_at(partial, "errorMessage")
    if not isinstance(partial, dict) or rejected is None:
        return None
    return OtlpResponse(rejected=min(rejected, request.count), message=message if isinstance(message, str) else "")


def _count(value: object) -> int | None:
    """Parse a 64-bit integer, a number or digits in JSON; 0 if it is missing."""
    if value is None:
        return 0
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= len(str(_INT64)):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _resource(report: Document) -> Document:
    architecture = value_at(report, "host", "architecture")
    known = {
        "service.name": "maestro-agent",
        "service.version": value_at(report, "agent", "version"),
        # One agent per machine. The outbox's name would change with the outbox, and with it every time series.
        "service.instance.id": value_at(report, "host", "id"),
        "host.id": value_at(report, "host", "id"),
        "host.name": value_at(report, "host", "name"),
        "host.arch": _ARCHITECTURES.get(architecture, architecture) if isinstance(architecture, str) else None,
        "os.type": "linux",
        "os.name": value_at(report, "host", "os", "id"),
        "os.version": value_at(report, "host", "os", "version"),
    }
    return {"attributes": _attributes(known)}


def _scope(report: Document) -> Document:
    version = value_at(report, "agent", "version")
    return {"name": _SCOPE, **({"version": _text(version)} if isinstance(version, str) else {})}


def _record(message: Document) -> Document:
    event = message.get("body")
    kind, document = value_at(event, "type"), value_at(event, "document")
    word = kind if isinstance(kind, str) else "unknown"
    severity = _severity(word, document)
    name = f"maestro.{word.replace('-', '_')}"
    fields = document.items() if isinstance(document, dict) else ()
    own = {f"{name}.{field}": value for field, value in fields if field != "schema"}
    ids = {"event.name": name, "log.record.uid": message.get("key"), "maestro.sequence": message.get("sequence")}
    times = {
        "timeUnixNano": _nanoseconds(value_at(event, "at")),
        "observedTimeUnixNano": _nanoseconds(message.get("created_at")),
    }
    return {
        **{field: value for field, value in times.items() if value is not None},
        "severityNumber": severity.value,
        "severityText": severity.name,
        "eventName": _text(name),
        "body": {"stringValue": _text(event_sentence(word, document))},
        "attributes": _attributes({**ids, **own}),
    }


def _severity(word: str, document: object) -> Severity:
    if word in {"outcome", "engine-outcome", "reboot-outcome", "restart-outcome"}:
        return _BY_RESULT.get(str(value_at(document, "result")), Severity.WARN)
    return _BY_TYPE.get(word, Severity.INFO)


def _metric(metric: Metric, when: str | None) -> Document:
    family = metric.family
    points = [_point(labels, value, when) for labels, value in metric.points]
    unit = {"unit": family.unit} if family.unit else {}
    head: Document = {"name": family.name, "description": family.help, **unit}
    if family.counter:
        return {
            **head,
            "sum": {"dataPoints": points, "aggregationTemporality": _CUMULATIVE, "isMonotonic": True},
        }
    return {**head, "gauge": {"dataPoints": points}}


def _point(labels: Labels, value: Number, when: str | None) -> Document:
    number: Document = {"asInt": str(value)} if isinstance(value, int) else {"asDouble": value}
    time: Document = {} if when is None else {"timeUnixNano": when}
    return {"attributes": _attributes(dict(labels)), **time, **number}


def _attributes(known: dict[str, object]) -> list[Document]:
    """Return attributes; names must be unique and not empty (opentelemetry-proto, common.proto)."""
    values = {_text(name): _any(value) for name, value in known.items()}
    return [{"key": name, "value": value} for name, value in values.items() if name and value is not None]


def _any(value: object) -> Document | None:
    """Return an AnyValue; None for an unknown value or one that JSON cannot represent."""
    if isinstance(value, list):
        return {"arrayValue": {"values": [found for one in value if (found := _any(one)) is not None]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": _attributes(value)}}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int | float):
        return _any_number(value)
    return {"stringValue": _text(value)} if isinstance(value, str) else None


def _any_number(value: Number) -> Document | None:
    if isinstance(value, float):
        return {"doubleValue": value} if isfinite(value) else None
    return {"intValue": str(value)} if -_INT64 <= value < _INT64 else {"stringValue": str(value)}


def _text(text: str) -> str:
    """Replace what UTF-8 cannot represent by a question mark: file names may have any bytes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _nanoseconds(text: object) -> str | None:
    """Return a document's time in nanoseconds since 1970; None if it is unknown or earlier."""
    if not isinstance(text, str):
        return None
    try:
        since = (parse_utc(text) - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return None
    return str(since * 1000) if since > 0 else None
