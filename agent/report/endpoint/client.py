"""The endpoint over HTTPS: one request at a time, with bounded responses.

Responses are untrusted input. No redirect is followed, certificates are always verified, no message has the token.
"""

import importlib
import json
import os
import ssl
import zlib
from collections.abc import Mapping
from datetime import timedelta

from agent.core.frozen import frozen
from agent.core.policy.policy import EndpointPolicy
from agent.core.redact import one_line
from agent.core.schedule.backoff import ResponseClass, classify_status
from agent.host.bearer_token import require_readable
from agent.host.http_transport import HttpAnswer, HttpTransport
from agent.host.http_values import http_date, retry_after
from agent.host.https_transport import HttpsTransport
from agent.host.process.alarm import time_limit
from agent.host.tls_contexts import NoSystemCasError
from agent.report.endpoint.heartbeat import is_offered
from agent.report.endpoint.problem_text import problem_text
from agent.report.endpoint.request_headers import request_headers
from agent.report.endpoint.run_deadline import RunDeadline
from agent.state.timestamps import utc_now

_RECEIPT_BYTES = 1 << 20
_ERROR_BYTES = 1 << 16
_NO_CONTENT = 204
_NOT_OFFERED = frozenset({404, 405})


@frozen
class EndpointResponse:
    """The result of one request."""

    response_class: ResponseClass
    why: str = ""
    """What went wrong; empty if there is a receipt."""
    status: int = 0
    """The status code, of any other response than a receipt."""
    text: str = ""
    """The body, as far as it was read."""
    no_content: bool = False
    """204: accepted, no receipt."""
    final: bool = False
    """Whether an error is the endpoint's own (RFC 9457) and not that of a proxy."""
    offered: bool = True
    """False for 404 and 405: the endpoint does not have this address."""
    retry_after: timedelta | None = None
    skew: timedelta | None = None
    """How far this machine's clock is ahead of the other side's."""


class EndpointClient:
    """A session with the endpoint."""

    def __init__(
        self,
        policy: EndpointPolicy,
        *,
        takes_requests: bool = False,
        state_directory: str = "",
        token: str | None = None,
        deadline: RunDeadline | None = None,
    ) -> None:
        """Prepare the session; sends nothing yet. `takes_requests`: receipts may carry requests of people.

        `state_directory` has the token of enrolment; a `token` takes the place of all others. The `deadline` is that of
        a run with several clients; without it each request has the whole timeout.

        Raises:
            ConfigError: token, CA or certificate cannot be read.
        """
        self._policy = policy
        self._deadline = deadline
        self._headers = request_headers(
            policy, takes_requests=takes_requests, state_directory=state_directory, token=token
        )
        require_readable(policy.ca_file, policy.client_cert, policy.client_key)
        self._transport: HttpTransport
        if is_offered(policy):
            self._transport = HttpsTransport(policy, self._headers)
        else:
            self._transport = self._over_requests()

    def post(self, batch: Mapping[str, object]) -> EndpointResponse:
        """Send one batch; faults of the endpoint or the network are in the result, never raised."""
        try:
            text = json.dumps(batch, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except (ValueError, RecursionError) as error:
            return EndpointResponse(
                response_class=ResponseClass.SERVER_ERROR, why=f"the batch cannot be encoded as JSON: {error}"
            )
        headers = {"Idempotency-Key": os.urandom(16).hex(), "Content-Encoding": "gzip"}
        body = text.encode(errors="replace")  # a file name that is not UTF-8 has lone surrogates
        return self._ask("POST", "/v1/messages", _gzip(body), headers)

    def heartbeat(self, *, host_id: str, instance_id: str, sequence: int, digest: str) -> EndpointResponse:
        """Send a heartbeat outside a batch: the state still has this hash; never raises, either."""
        path = f"/v1/hosts/{host_id}/instances/{instance_id}/heartbeats/{sequence}"
        return self._ask("PUT", path, json.dumps({"hash": digest}, separators=(",", ":")).encode(), {})

    def request(self, *, host_id: str, request_id: str) -> EndpointResponse:
        """Fetch a request as the endpoint has it now; not `offered` where it has none with this id. Never raises."""
        return self._ask("GET", f"/v1/hosts/{host_id}/requests/{request_id}", b"", {})

    def enrol(self, document: Mapping[str, object]) -> EndpointResponse:
        """Ask for a token of this host; `status` tells how it went (201, 202). Never raises."""
        return self._ask("POST", "/v1/enrol", json.dumps(document).encode(), {})

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def _over_requests(self) -> HttpTransport:
        """Return a transport by the library; imported by name, as it costs more than all else of a report."""
        made: HttpTransport = importlib.import_module("agent.host.requests_transport").RequestsTransport(
            self._policy, self._headers
        )
        return made

    def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> EndpointResponse:
        limit = self._deadline.next_limit() if self._deadline else self._policy.timeout
        if self._deadline and self._deadline.passed:
            return EndpointResponse(response_class=ResponseClass.RETRY, why=self._deadline.why)
        try:
            with time_limit(limit):
                return self._exchange(method, path, body, headers)
        except self._transport.faults as error:
            if self._deadline and self._deadline.passed:
                return EndpointResponse(response_class=ResponseClass.RETRY, why=self._deadline.why)
            untrusted = self._transport.is_untrusted(error)
            return EndpointResponse(
                response_class=ResponseClass.MISCONFIGURED if untrusted else ResponseClass.RETRY,
                why=one_line(self._transport.reason(error)),
            )

    def _exchange(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> EndpointResponse:
        try:
            answer = self._transport.ask(method, path, body, headers, _most_bytes)
        except (ssl.SSLCertVerificationError, NoSystemCasError):
            if self._policy.ca_file or not isinstance(self._transport, HttpsTransport):
                raise
            # Nothing was sent yet. A machine may have the bundle of CAs without the directory; the library reads that.
            self._transport = self._over_requests()
            answer = self._transport.ask(method, path, body, headers, _most_bytes)
        return _response(answer, is_heartbeat=method == "PUT")


def _gzip(body: bytes) -> bytes:
    """Compress without the module `gzip`, which is a file's reader and writer first of all; no time is in it."""
    made = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return made.compress(body) + made.flush()


def _most_bytes(status: int) -> int:
    return _RECEIPT_BYTES if classify_status(status) is ResponseClass.OK else _ERROR_BYTES


def _response(answer: HttpAnswer, *, is_heartbeat: bool) -> EndpointResponse:
    there = http_date(answer.headers.get("date", ""))
    skew = None if there is None else utc_now() - there
    if is_heartbeat and answer.status == _NO_CONTENT:
        return EndpointResponse(response_class=ResponseClass.OK, no_content=True, skew=skew)
    meaning = classify_status(answer.status)
    text = (answer.body or b"").decode("utf-8", errors="replace")
    if meaning is ResponseClass.OK:
        if answer.body is not None:
            return EndpointResponse(response_class=meaning, text=text, skew=skew)
        why = f"a receipt that is compressed, or of more than {_RECEIPT_BYTES} bytes"
        return EndpointResponse(response_class=ResponseClass.SERVER_ERROR, why=why, skew=skew)
    return EndpointResponse(
        response_class=meaning,
        why=problem_text(answer.status, answer.reason, text),
        text=text,
        status=answer.status,
        final=answer.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/problem+json",
        offered=answer.status not in _NOT_OFFERED,
        retry_after=retry_after(answer.headers.get("retry-after"), there or utc_now()),
        skew=skew,
    )
