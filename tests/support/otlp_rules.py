"""Checks OTLP requests in JSON against opentelemetry-proto: its messages, and its rules for JSON.

The `.proto` files logs/v1, metrics/v1, common/v1 and resource/v1 define the fields; docs/specification.md
("JSON Protobuf Encoding") the encoding: lowerCamelCase, enums as integers, 64-bit integers as decimal strings, ids in
hexadecimal. Collectors are lenient where exporters must not be, so this is stricter than one.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

_AGGREGATIONS = {1, 2}
_LONGEST_INT64 = 20
Check = Callable[[Any], bool]


def faults(signal: str, body: bytes) -> list[str]:
    """Return the violations in a request's body."""
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_unique)
    except ValueError as error:
        return [str(error)]
    return list(_message(_ROOTS[signal], document, signal))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)


def _message(name: str, value: Any, place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place}: no object"
        return
    kinds = _MESSAGES[name]
    for field, inner in value.items():
        kind = kinds.get(field)
        if kind is None:
            yield f"{place}: {name} has no field {field}"
        elif kind.startswith("*"):
            yield from _several(kind[1:], inner, f"{place}.{field}")
        else:
            yield from _one(kind, inner, f"{place}.{field}")
    yield from _whole(name, value, place)


def _several(kind: str, value: Any, place: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{place}: no list"
        return
    for number, one in enumerate(value):
        yield from _one(kind, one, f"{place}[{number}]")
    keys = [one.get("key") for one in value if isinstance(one, dict)] if kind == "KeyValue" else []
    if len(set(keys)) < len(keys):
        yield f"{place}: keys have to be unique"


def _one(kind: str, value: Any, place: str) -> Iterator[str]:
    if kind in _MESSAGES:
        yield from _message(kind, value, place)
    elif not _SCALARS[kind](value):
        yield f"{place}: {value!r} is no {kind}"


def _whole(name: str, value: dict[str, Any], place: str) -> Iterator[str]:
    """Yield violations by a message as a whole: a oneof has at most one member, and some need one."""
    for choice, least in _CHOICES.get(name, ()):
        found = [field for field in choice if field in value]
        if not least <= len(found) <= 1:
            yield f"{place}: {name} has {found}"
    for field in _NEEDED.get(name, ()):
        if not value.get(field):
            yield f"{place}: {name} needs {field}"


def _is_int64(value: Any, least: int, most: int) -> bool:
    return (
        isinstance(value, str)
        and re.fullmatch("-?(0|[1-9][0-9]*)", value) is not None
        and len(value) <= _LONGEST_INT64
        and least <= int(value) < most
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value == value.encode("utf-8", "ignore").decode()


_SCALARS: dict[str, Check] = {
    "string": _is_text,
    "bool": lambda value: isinstance(value, bool),
    "double": _is_number,
    "int64": lambda value: _is_int64(value, -(1 << 63), 1 << 63),
    "fixed64": lambda value: _is_int64(value, 0, 1 << 64),
    "severity": lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 24,
    "temporality": lambda value: not isinstance(value, bool) and value in _AGGREGATIONS,
    "trace": lambda value: isinstance(value, str) and re.fullmatch("[0-9a-fA-F]{32}", value) is not None,
    "span": lambda value: isinstance(value, str) and re.fullmatch("[0-9a-fA-F]{16}", value) is not None,
}
_ROOTS = {"logs": "ExportLogsServiceRequest", "metrics": "ExportMetricsServiceRequest"}
_MESSAGES: dict[str, dict[str, str]] = {
    "ExportLogsServiceRequest": {"resourceLogs": "*ResourceLogs"},
    "ResourceLogs": {"resource": "Resource", "scopeLogs": "*ScopeLogs", "schemaUrl": "string"},
    "ScopeLogs": {"scope": "Scope", "logRecords": "*LogRecord", "schemaUrl": "string"},
    "LogRecord": {
        "timeUnixNano": "fixed64",
        "observedTimeUnixNano": "fixed64",
        "severityNumber": "severity",
        "severityText": "string",
        "eventName": "string",
        "body": "AnyValue",
        "attributes": "*KeyValue",
        "traceId": "trace",
        "spanId": "span",
    },
    "ExportMetricsServiceRequest": {"resourceMetrics": "*ResourceMetrics"},
    "ResourceMetrics": {"resource": "Resource", "scopeMetrics": "*ScopeMetrics", "schemaUrl": "string"},
    "ScopeMetrics": {"scope": "Scope", "metrics": "*Metric", "schemaUrl": "string"},
    "Metric": {"name": "string", "description": "string", "unit": "string", "gauge": "Gauge", "sum": "Sum"},
    "Gauge": {"dataPoints": "*NumberDataPoint"},
    "Sum": {"dataPoints": "*NumberDataPoint", "aggregationTemporality": "temporality", "isMonotonic": "bool"},
    "NumberDataPoint": {
        "attributes": "*KeyValue",
        "startTimeUnixNano": "fixed64",
        "timeUnixNano": "fixed64",
        "asInt": "int64",
        "asDouble": "double",
    },
    "Resource": {"attributes": "*KeyValue"},
    "Scope": {"name": "string", "version": "string", "attributes": "*KeyValue"},
    "KeyValue": {"key": "string", "value": "AnyValue"},
    "AnyValue": {
        "stringValue": "string",
        "boolValue": "bool",
        "intValue": "int64",
        "doubleValue": "double",
        "arrayValue": "ArrayValue",
        "kvlistValue": "KeyValueList",
    },
    "ArrayValue": {"values": "*AnyValue"},
    "KeyValueList": {"values": "*KeyValue"},
}
_CHOICES: dict[str, tuple[tuple[set[str], int], ...]] = {
    "AnyValue": ((set(_MESSAGES["AnyValue"]), 1),),
    "Metric": (({"gauge", "sum"}, 1),),
    "NumberDataPoint": (({"asInt", "asDouble"}, 1),),
}
_NEEDED = {
    "Metric": ("name",),
    "KeyValue": ("key", "value"),
    "NumberDataPoint": ("timeUnixNano",),
    "Gauge": ("dataPoints",),
    "Sum": ("dataPoints", "aggregationTemporality"),
    "LogRecord": ("timeUnixNano", "observedTimeUnixNano", "body"),
}
