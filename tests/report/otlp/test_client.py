"""Delivery to a collector over real TLS: retries as in OTLP's table, only to the configured address."""

import socket
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.core.schedule.backoff import ResponseClass
from agent.host.http_values import retry_after
from agent.report.otlp.client import OtlpResult, OtlpTarget, post_otlp
from agent.report.otlp.encode import OtlpRequest, encode_logs, encode_metrics
from agent.version import VERSION
from tests.support import reports
from tests.support.authority import Authority
from tests.support.otel_collector import OtelCollector, Reply, collecting

EVENTS = len(reports.DOCUMENTS)
REQUEST = encode_logs(reports.events(), reports.full())
DELIVERED = OtlpResult(response_class=ResponseClass.OK, dropped=0, detail="")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("otlp") / "ca")


@pytest.fixture(scope="session")
def running(authority: Authority) -> Iterator[OtelCollector]:
    with collecting(authority) as collector:
        yield collector


@pytest.fixture
def peer(running: OtelCollector) -> Iterator[OtelCollector]:
    """Return a collector that accepts everything; afterwards, no request may have broken the rules."""
    running.reply = Reply()
    running.taken.clear()
    running.wrong.clear()
    running.paths.clear()
    yield running
    assert running.wrong == []


def to(peer: OtelCollector, **changes: object) -> OtlpTarget:
    collector = OtlpTarget(url=peer.url, ca_file=str(peer.ca_file), timeout=timedelta(seconds=10))
    return replace(collector, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("request_", [REQUEST, encode_metrics(reports.full())], ids=["logs", "metrics"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_request_follows_the_specification(peer: OtelCollector, request_: OtlpRequest, slash: str) -> None:
    headers = (("Authorization", "Bearer s3cr3t"), ("User-Agent", "not ours"))

    done = post_otlp(to(peer, url=peer.url + slash, headers=headers[:1]), request_)

    (taken,) = peer.taken
    assert done == DELIVERED
    assert taken.signal == request_.signal.value
    assert taken.document == request_.document
    assert taken.headers["authorization"] == "Bearer s3cr3t"
    assert taken.headers["user-agent"] == f"maestro-agent/{VERSION}"


def test_empty_request_is_not_sent(peer: OtelCollector) -> None:
    assert post_otlp(to(peer), encode_logs([], reports.full())) == DELIVERED
    assert peer.paths == []


def test_headers_are_not_in_the_repr() -> None:
    assert "s3cr3t" not in repr(OtlpTarget(url="https://x", headers=(("Authorization", "s3cr3t"),)))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b"no such token: Bearer s3cr3t-token"),
        (503, b"%s s3cr3t-token" % (b"." * 190)),
        (200, b'{"partialSuccess": {"rejectedLogRecords": 1, "errorMessage": "for s3cr3t-token"}}'),
    ],
)
def test_header_repeated_by_the_server_is_redacted(peer: OtelCollector, status: int, body: bytes) -> None:
    peer.reply = Reply(status=status, body=body)

    done = post_otlp(to(peer, headers=(("Authorization", "Bearer s3cr3t-token"),)), REQUEST)

    assert "s3cr" not in done.detail
    assert "..." in done.detail


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_temporary_errors_are_retried_after_retry_after(peer: OtelCollector, status: int) -> None:
    peer.reply = Reply(status=status, body=b"busy", headers=(("Retry-After", "17"),))

    done = post_otlp(to(peer), REQUEST)

    assert done == OtlpResult(
        response_class=ResponseClass.RETRY,
        dropped=0,
        detail=f"answered {status}: busy",
        retry_after=timedelta(seconds=17),
    )
    assert len(peer.taken) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 403, 404, 405, 408, 413, 415, 500, 501, 505, 599])
def test_other_errors_are_never_retried_but_counted(peer: OtelCollector, status: int) -> None:
    peer.reply = Reply(status=status, body=b"no\nway", headers=(("Location", "/elsewhere"), ("Retry-After", "1")))

    done = post_otlp(to(peer), REQUEST)

    assert done == OtlpResult(
        response_class=ResponseClass.SERVER_ERROR, dropped=EVENTS, detail=f"answered {status}: no way"
    )
    assert peer.paths == ["/v1/logs"]


def test_partial_success_is_counted_and_not_retried(peer: OtelCollector) -> None:
    peer.reply = Reply(body=b'{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"too old"}}')

    assert post_otlp(to(peer), REQUEST) == OtlpResult(response_class=ResponseClass.OK, dropped=3, detail="too old")


@pytest.mark.parametrize("status", [200, 202, 204])
def test_empty_success_is_a_success(peer: OtelCollector, status: int) -> None:
    peer.reply = Reply(status=status, body=b"", headers=())

    assert post_otlp(to(peer), REQUEST) == DELIVERED


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"<html>Please log in</html>"),
        Reply(body=b"[]"),
        Reply(body=b"x" * (5 << 20)),
        Reply(body=b"{}", headers=(("Content-Encoding", "gzip"),)),
    ],
    ids=["portal", "no object", "too long", "packed"],
)
def test_success_without_an_otlp_response_is_not_a_delivery(peer: OtelCollector, reply: Reply) -> None:
    peer.reply = reply

    done = post_otlp(to(peer), REQUEST)

    assert (done.response_class, done.dropped) == (ResponseClass.SERVER_ERROR, EVENTS)
    assert "no OTLP response" in done.detail


def test_untrusted_certificate_is_named_and_nothing_is_sent(
    peer: OtelCollector, authority: Authority, tmp_path: Path
) -> None:
    other = Authority.make(tmp_path / "other")
    with (
        collecting(authority, name="old", expired=True) as old,
        collecting(authority, name="e", names="DNS:e") as else_,
    ):
        results = [post_otlp(one, REQUEST) for one in (to(peer, ca_file=str(other.file)), to(old), to(else_))]
        sent = [*old.paths, *else_.paths, *peer.paths]

    assert [one.response_class for one in results] == [ResponseClass.RETRY] * 3
    assert all(one.detail.startswith("its certificate is not accepted: ") for one in results), results
    assert "expired" in results[1].detail
    assert "127.0.0.1" in results[2].detail
    assert sent == []


def test_failed_connection_is_retried_and_named(peer: OtelCollector, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    refused = post_otlp(to(peer, url=f"https://127.0.0.1:{port}"), REQUEST)
    unknown = post_otlp(to(peer, url="https://collector.invalid"), REQUEST)
    no_file = post_otlp(to(peer, ca_file=str(tmp_path / "missing.pem")), REQUEST)

    assert [one.response_class for one in (refused, unknown, no_file)] == [ResponseClass.RETRY] * 3
    assert refused.detail == "Connection refused"
    assert unknown.detail
    assert "missing.pem" in no_file.detail


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" + b"{" * 50,
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: way\r\n" * 99 + b"\r\n",
        b"",
    ],
    ids=["body", "headers", "silence"],
)
def test_slow_collector_is_left_within_the_time_limit(peer: OtelCollector, raw: bytes) -> None:
    """Each byte arrives within the limit of a single read; all of them would take many times the limit."""
    peer.reply = Reply(raw=raw or b"H" * 60, drip_s=0.2)

    done = post_otlp(to(peer, timeout=timedelta(seconds=1)), REQUEST)

    assert done.response_class is ResponseClass.RETRY
    assert done.detail == "no answer within 1 seconds"


VERSIONS = [b"HTTP/1.1 ", b"HTTP/1.0 ", b"HTTP/9 ", b""]
CODES = [b"200", b"204", b"100", b"101", b"301", b"429", b"503", b"999", b"-1", b"2 00"]
LINES = [
    b"Content-Length: 2", b"Content-Length: -1", b"Content-Length: 99999999999", b"Content-Length: 1, 2",
    b"Transfer-Encoding: chunked", b"Content-Encoding: gzip", b"Content-Encoding: zstd, gzip",
    b"Location: http://127.0.0.1:1/", b"Retry-After: -1", b"Retry-After: 9e9", b"Retry-After: Mon, 99",
    b"Set-Cookie: a=b; expires=x", b"Connection: upgrade", b": x", b" folded", b"\xff: \xfe", b"No colon",
]  # fmt: skip
BODIES = [b"{}", b"zz\r\n", b"-5\r\nx", b"fffffffffffffffff\r\nx", b"2\r\n{}\r\n0\r\n\r\n"]


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Return bytes that resemble an HTTP response."""
    lines = [draw(st.sampled_from(VERSIONS)) + draw(st.sampled_from(CODES)) + b" x"]
    lines += draw(st.lists(st.sampled_from(LINES), max_size=5))
    return b"\r\n".join([*lines, b"", draw(st.binary(max_size=60) | st.sampled_from(BODIES))])


HOSTILE = st.binary(max_size=300) | answers()


@given(HOSTILE)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arbitrary_response_is_no_exception(peer: OtelCollector, raw: bytes) -> None:
    peer.reply = Reply(raw=raw)

    done = post_otlp(to(peer), REQUEST)

    assert done.dropped in range(EVENTS + 1)
    assert len(done.detail) < 300
    assert done.detail == "" or done.detail.isprintable()


CHUNKED = b"\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcdefgh\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "response_class", "detail"),
    [
        (b"HTTP/1.1 200 OK" + CHUNKED, ResponseClass.RETRY, "ValueError"),
        (b"HTTP/1.1 400 No" + CHUNKED, ResponseClass.SERVER_ERROR, "answered 400"),
        (b"HTTP/1.1 -1 OK\r\n\r\n", ResponseClass.RETRY, "the response is malformed: BadStatusLine"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200, ResponseClass.RETRY, "the response is malformed: HTTPException"),
    ],
    ids=["length below 0", "length below 0 of an error", "status below 0", "200 headers"],
)
def test_malformed_http_is_named(peer: OtelCollector, raw: bytes, response_class: ResponseClass, detail: str) -> None:
    peer.reply = Reply(raw=raw)

    done = post_otlp(to(peer), REQUEST)

    assert (done.response_class, done.detail) == (response_class, detail)


@pytest.mark.parametrize("status", [200, 301, 400, 500])
def test_too_long_response_costs_no_memory(peer: OtelCollector, status: int) -> None:
    peer.reply = Reply(status=status, body=b"x" * (64 << 20), headers=(("Location", "/elsewhere"),))
    tracemalloc.start()
    try:
        post_otlp(to(peer), REQUEST)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert most < 16 << 20


NOW = datetime(2026, 11, 23, 8, 10, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("0", timedelta(0)),
        (" 120 ", timedelta(minutes=2)),
        ("999999999999999999999", timedelta(hours=1)),
        (format_datetime(NOW + timedelta(minutes=3), usegmt=True), timedelta(minutes=3)),
        ("Monday, 23-Nov-26 08:12:00 GMT", timedelta(minutes=2)),
        ("Mon Nov 23 08:12:00 2026", timedelta(minutes=2)),
        (format_datetime(NOW - timedelta(minutes=3), usegmt=True), timedelta(0)),
        (format_datetime(NOW + timedelta(days=3), usegmt=True), timedelta(hours=1)),
        (None, None),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("1.5", None),
        ("٣", None),
        ("Mon, 99 Nov 2026 08:12:00 GMT", None),
    ],
)
def test_retry_after_is_parsed_in_both_forms(value: str | None, wait: timedelta | None) -> None:
    assert retry_after(value, NOW) == wait


@given(st.text() | st.text(alphabet="MonNv0123456789 ,:GMT+-"))
def test_arbitrary_retry_after_is_no_exception(value: str) -> None:
    wait = retry_after(value, NOW)

    assert wait is None or timedelta(0) <= wait <= timedelta(hours=1)
