"""One OTLP/HTTP request to an OpenTelemetry collector and its result; retries are the caller's.

What may be retried is opentelemetry-proto's table (docs/specification.md, "Failures"): 429, 502, 503, 504, and failed
connections. Anything else must not be, so it is dropped, counted and reported. A redirect is not followed: the
configuration says where the headers go.
"""

import gzip
import json
from datetime import timedelta

import requests
from urllib3.exceptions import HTTPError

from agent.core.frozen import field, frozen
from agent.core.redact import redact
from agent.core.schedule.backoff import ResponseClass, classify_status
from agent.host.http import error_reason, read_bounded, session
from agent.host.http_values import remember_header, retry_after
from agent.host.process.alarm import time_limit
from agent.report.metric_values import printable
from agent.report.otlp.encode import OtlpRequest, Signal, decode_response
from agent.state.timestamps import utc_now
from agent.version import VERSION

_MAX_RESPONSE_BYTES = 4 << 20
"""opentelemetry-proto, docs/specification.md, "OTLP/HTTP Response"."""
_MAX_ERROR_BYTES = 64 << 10
_SUCCESSES = range(200, 300)
"""Some collectors answer 204 where the specification has 200."""
Headers = tuple[tuple[str, str], ...]


@frozen
class OtlpTarget:
    """A collector."""

    url: str
    """As in OTEL_EXPORTER_OTLP_ENDPOINT: without /v1/logs."""
    ca_file: str = ""
    """CA certificates to trust; empty for those of the machine."""
    headers: Headers = field(default=(), repr=False)
    """May contain a token."""
    timeout: timedelta = timedelta(seconds=30)


@frozen
class OtlpResult:
    """The result of one request."""

    response_class: ResponseClass
    """OK; RETRY: not accepted, and may be later; SERVER_ERROR: not accepted, and must not be sent again."""
    dropped: int
    """Log records or data points that will not arrive."""
    detail: str
    """The collector's message or the fault; empty for a plain success."""
    retry_after: timedelta | None = None
    """Retry-After, at most an hour."""


def post_otlp(collector: OtlpTarget, request: OtlpRequest) -> OtlpResult:
    """Send one request, once."""
    if request.count == 0:
        return OtlpResult(response_class=ResponseClass.OK, dropped=0, detail="")
    for _, value in collector.headers:
        remember_header(value)
    body = gzip.compress(json.dumps(request.document, allow_nan=False, separators=(",", ":")).encode())
    try:
        with (
            time_limit(collector.timeout),
            session() as connection,
            _post(connection, collector, request.signal, body) as response,
        ):
            return _judge(response, request)
    # requests raises OSErrors; it does not wrap all errors of urllib3, nor the ValueError of a negative length.
    except (OSError, HTTPError, ValueError) as error:
        return OtlpResult(response_class=ResponseClass.RETRY, dropped=0, detail=printable(error_reason(error)))


def _post(connection: requests.Session, collector: OtlpTarget, signal: Signal, body: bytes) -> requests.Response:
    headers = {
        "User-Agent": f"maestro-agent/{VERSION}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        **dict(collector.headers),
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
    }
    return connection.post(
        f"{collector.url.rstrip('/')}/v1/{signal.value}",
        data=body,
        headers=headers,
        timeout=collector.timeout.total_seconds(),
        verify=collector.ca_file or True,
        allow_redirects=False,
        stream=True,
    )


def _judge(response: requests.Response, request: OtlpRequest) -> OtlpResult:
    status = response.status_code
    if status in _SUCCESSES:
        return _judge_success(response, request)
    detail = _error_detail(response)
    if classify_status(status) is ResponseClass.RETRY:
        wait = retry_after(response.headers.get("Retry-After"), utc_now())
        return OtlpResult(response_class=ResponseClass.RETRY, dropped=0, detail=detail, retry_after=wait)
    return OtlpResult(response_class=ResponseClass.SERVER_ERROR, dropped=request.count, detail=detail)


def _judge_success(response: requests.Response, request: OtlpRequest) -> OtlpResult:
    """Accept a success only with an OTLP response: a captive portal answers 200, too. It is not sent again."""
    body = read_bounded(response, _MAX_RESPONSE_BYTES)
    answer = None if body is None else decode_response(request, body)
    if answer is None:
        detail = f"answered {response.status_code} with something that is no OTLP response"
        return OtlpResult(response_class=ResponseClass.SERVER_ERROR, dropped=request.count, detail=detail)
    detail = printable(redact(answer.message))
    return OtlpResult(response_class=ResponseClass.OK, dropped=answer.rejected, detail=detail)


def _error_detail(response: requests.Response) -> str:
    """Return the status and the start of the body."""
    try:
        body = read_bounded(response, _MAX_ERROR_BYTES)
    except (OSError, HTTPError, ValueError):  # the status has arrived, and that decides
        body = None
    words = printable(redact((body or b"").decode("utf-8", "replace"))).strip()
    return f"answered {response.status_code}" + (f": {words}" if words else "")
