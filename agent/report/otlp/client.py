"""An OpenTelemetry collector over OTLP/HTTP: one request, and what became of it. When to try again is for others.

What may be tried again is opentelemetry-proto's table (docs/specification.md, "Failures"): 429, 502, 503, 504, and a
connection that failed. Anything else must not be, so it is dropped, counted and told. A redirect is not followed: the
configuration says where the headers go.
"""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from enum import Enum

import requests
from urllib3.exceptions import HTTPError

from agent.core.schedule.backoff import ResponseClass, classify_status
from agent.host.http import error_reason, read_bounded, redact, retry_after, session
from agent.host.process.alarm import time_limit
from agent.report.metric_values import printable
from agent.report.otlp.encode import OtlpRequest, Signal, decode_response
from agent.version import VERSION

_MOST_ANSWER_BYTES = 4 << 20
"""opentelemetry-proto, docs/specification.md, "OTLP/HTTP Response"."""
_MOST_ERROR_BYTES = 64 << 10
_SUCCESSES = range(200, 300)
"""Some answer 204 where the specification has 200."""
Headers = tuple[tuple[str, str], ...]


class OtlpOutcome(Enum):
    """What became of a request."""

    DELIVERED = "delivered"
    AGAIN = "again"
    """It was not taken, and may be later."""
    DROPPED = "dropped"
    """It must not be sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpTarget:
    """Where one listens."""

    url: str
    """As OTEL_EXPORTER_OTLP_ENDPOINT has it: without /v1/logs."""
    ca_file: str = ""
    """Whose certificates are believed; empty for those of the machine."""
    headers: Headers = field(default=(), repr=False)
    """They may hold a token."""
    timeout: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpResult:
    """What became of a request, and how much of it is lost for good."""

    outcome: OtlpOutcome
    dropped: int
    """Log records or data points that will not arrive."""
    detail: str
    """What the collector said or what went wrong; empty where there is nothing to tell."""
    retry_after: timedelta | None = None
    """How long it asks to be left alone, at most an hour."""


def post_otlp(collector: OtlpTarget, request: OtlpRequest) -> OtlpResult:
    """Send one request, once."""
    if request.count == 0:
        return OtlpResult(outcome=OtlpOutcome.DELIVERED, dropped=0, detail="")
    body = gzip.compress(json.dumps(request.document, allow_nan=False, separators=(",", ":")).encode())
    try:
        with (
            time_limit(collector.timeout),
            session() as connection,
            _post(connection, collector, request.signal, body) as response,
        ):
            return _judge(response, request, [value for _, value in collector.headers])
    # requests' own are OSErrors; it does not wrap all of urllib3's, nor what either makes of a length below 0.
    except (OSError, HTTPError, ValueError) as error:
        return OtlpResult(outcome=OtlpOutcome.AGAIN, dropped=0, detail=printable(error_reason(error)))


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


def _judge(response: requests.Response, request: OtlpRequest, secrets: Sequence[str]) -> OtlpResult:
    status = response.status_code
    if status in _SUCCESSES:
        return _judge_success(response, request, secrets)
    said = _said(response, secrets)
    if classify_status(status) is ResponseClass.RETRY:
        wait = retry_after(response.headers.get("Retry-After"), datetime.now(timezone.utc))
        return OtlpResult(outcome=OtlpOutcome.AGAIN, dropped=0, detail=said, retry_after=wait)
    return OtlpResult(outcome=OtlpOutcome.DROPPED, dropped=request.count, detail=said)


def _judge_success(response: requests.Response, request: OtlpRequest, secrets: Sequence[str]) -> OtlpResult:
    """Believe a success only where it is an answer of OTLP: a portal's page has 200, too. It is not sent again."""
    body = read_bounded(response, _MOST_ANSWER_BYTES)
    answer = None if body is None else decode_response(request, body)
    if answer is None:
        detail = f"answered {response.status_code} with something that is no answer of OTLP"
        return OtlpResult(outcome=OtlpOutcome.DROPPED, dropped=request.count, detail=detail)
    detail = printable(redact(answer.message, secrets))
    return OtlpResult(outcome=OtlpOutcome.DELIVERED, dropped=answer.rejected, detail=detail)


def _said(response: requests.Response, secrets: Sequence[str]) -> str:
    """Return the status and the beginning of what came with it."""
    try:
        body = read_bounded(response, _MOST_ERROR_BYTES)
    except (OSError, HTTPError, ValueError):  # the status has arrived, and it decides
        body = None
    words = printable(redact((body or b"").decode("utf-8", "replace"), secrets)).strip()
    return f"answered {response.status_code}" + (f": {words}" if words else "")
