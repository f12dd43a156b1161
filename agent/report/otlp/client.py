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

from agent.core.schedule.backoff import Verdict, verdict
from agent.host.http import fault, hushed, read_bounded, retry_after, session
from agent.host.process.alarm import limited
from agent.report.metric_values import plain
from agent.report.otlp.encode import Request, Signal, read_answer
from agent.version import VERSION

_MOST_ANSWER_BYTES = 4 << 20
"""opentelemetry-proto, docs/specification.md, "OTLP/HTTP Response"."""
_MOST_ERROR_BYTES = 64 << 10
_SUCCESSES = range(200, 300)
"""Some answer 204 where the specification has 200."""
Headers = tuple[tuple[str, str], ...]


class Outcome(Enum):
    """What became of a request."""

    DELIVERED = "delivered"
    AGAIN = "again"
    """It was not taken, and may be later."""
    DROPPED = "dropped"
    """It must not be sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """Where one listens."""

    url: str
    """As OTEL_EXPORTER_OTLP_ENDPOINT has it: without /v1/logs."""
    ca_file: str = ""
    """Whose certificates are believed; empty for those of the machine."""
    headers: Headers = field(default=(), repr=False)
    """They may hold a token."""
    timeout: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of a request, and how much of it is lost for good."""

    outcome: Outcome
    dropped: int
    """Log records or data points that will not arrive."""
    detail: str
    """What the collector said or what went wrong; empty where there is nothing to tell."""
    retry_after: timedelta | None = None
    """How long it asks to be left alone, at most an hour."""


def deliver(collector: Collector, request: Request) -> Delivery:
    """Send one request, once."""
    if request.count == 0:
        return Delivery(outcome=Outcome.DELIVERED, dropped=0, detail="")
    body = gzip.compress(json.dumps(request.document, allow_nan=False, separators=(",", ":")).encode())
    try:
        with (
            limited(collector.timeout),
            session() as connection,
            _post(connection, collector, request.signal, body) as response,
        ):
            return _judge(response, request, [value for _, value in collector.headers])
    # requests' own are OSErrors; it does not wrap all of urllib3's, nor what either makes of a length below 0.
    except (OSError, HTTPError, ValueError) as error:
        return Delivery(outcome=Outcome.AGAIN, dropped=0, detail=plain(fault(error)))


def _post(connection: requests.Session, collector: Collector, signal: Signal, body: bytes) -> requests.Response:
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


def _judge(response: requests.Response, request: Request, secrets: Sequence[str]) -> Delivery:
    status = response.status_code
    if status in _SUCCESSES:
        return _judge_success(response, request, secrets)
    said = _said(response, secrets)
    if verdict(status) is Verdict.AGAIN:
        wait = retry_after(response.headers.get("Retry-After"), datetime.now(timezone.utc))
        return Delivery(outcome=Outcome.AGAIN, dropped=0, detail=said, retry_after=wait)
    return Delivery(outcome=Outcome.DROPPED, dropped=request.count, detail=said)


def _judge_success(response: requests.Response, request: Request, secrets: Sequence[str]) -> Delivery:
    """Believe a success only where it is an answer of OTLP: a portal's page has 200, too. It is not sent again."""
    body = read_bounded(response, _MOST_ANSWER_BYTES)
    answer = None if body is None else read_answer(request, body)
    if answer is None:
        detail = f"answered {response.status_code} with something that is no answer of OTLP"
        return Delivery(outcome=Outcome.DROPPED, dropped=request.count, detail=detail)
    detail = plain(hushed(answer.message, secrets))
    return Delivery(outcome=Outcome.DELIVERED, dropped=answer.rejected, detail=detail)


def _said(response: requests.Response, secrets: Sequence[str]) -> str:
    """Return the status and the beginning of what came with it."""
    try:
        body = read_bounded(response, _MOST_ERROR_BYTES)
    except (OSError, HTTPError, ValueError):  # the status has arrived, and it decides
        body = None
    words = plain(hushed((body or b"").decode("utf-8", "replace"), secrets)).strip()
    return f"answered {response.status_code}" + (f": {words}" if words else "")
