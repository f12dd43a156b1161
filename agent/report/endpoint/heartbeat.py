"""A single heartbeat to the endpoint, without an HTTP library: the daemon sends it (docs/adr/0009).

It knows the answers that mean "all is as it was" and "later"; everything else is for the exporter's process.
"""

import json
import ssl
from collections.abc import Mapping

from agent.core.policy.policy import EndpointPolicy, Policy
from agent.core.redact import one_line
from agent.core.schedule.backoff import ResponseClass, classify_status
from agent.errors import ConfigError
from agent.host.endpoint_address import request_to
from agent.host.http_body import read_answer
from agent.host.http_response import MalformedResponseError
from agent.host.http_transport import HttpAnswer
from agent.host.http_values import fault_text, http_date, retry_after
from agent.host.https_exchange import HttpsRequest, exchange
from agent.host.tls_contexts import TlsContexts
from agent.report.endpoint.clock_skew import skew_fields
from agent.report.endpoint.problem_text import problem_text
from agent.report.endpoint.request_headers import AUTHORIZATION, request_headers
from agent.report.export_result import ExportResult
from agent.report.heartbeat_lease import HeartbeatLease
from agent.state.timestamps import utc_now

_ERROR_BYTES = 1 << 16
_NO_CONTENT = 204
_LATER = frozenset({429, *range(500, 600)})
"""Statuses after which nothing is to be done but to wait."""


def is_offered(policy: EndpointPolicy) -> bool:
    """Return whether heartbeats can go to this endpoint: over HTTPS, and at most through an HTTP proxy."""
    return policy.url.startswith("https://") and (not policy.proxy or policy.proxy.startswith("http://"))


class HeartbeatSender:
    """Sends heartbeats, each over a connection of its own."""

    def __init__(self, state_directory: str) -> None:
        """Take the directory that may have the token of enrolment; reads nothing yet."""
        self._state_directory = state_directory
        self._contexts = TlsContexts()

    def send(
        self, policy: Policy, lease: HeartbeatLease, sequence: int, before: Mapping[str, object]
    ) -> ExportResult | None:
        """Send the heartbeat with this number; None: the exporter's process is needed, at once.

        `before` is the exporter's entry in its status file. Never logs or raises what has the token.
        """
        endpoint = policy.endpoint
        try:
            context = self._contexts.context(endpoint.ca_file, endpoint.client_cert, endpoint.client_key)
            request = self._request(policy, lease, sequence)
        except (ConfigError, OSError, ValueError):
            return None
        try:
            answer = exchange(request, context, endpoint.timeout, lambda receive: read_answer(receive, _most_bytes))
        except (ssl.SSLCertVerificationError, MalformedResponseError, UnicodeError):
            return None
        except OSError as error:
            why = one_line(fault_text(error) or type(error).__name__)
            return ExportResult(response_class=ResponseClass.RETRY, why=why, fields=_fields(before, None))
        return _result(answer, before)

    def _request(self, policy: Policy, lease: HeartbeatLease, sequence: int) -> HttpsRequest:
        """Return the request of docs/endpoint.

        Raises:
            ConfigError: there is no token of enrolment yet, or the token cannot be read.
        """
        endpoint = policy.endpoint
        headers = request_headers(
            endpoint, takes_requests=bool(policy.requests.allow), state_directory=self._state_directory
        )
        if AUTHORIZATION not in headers and endpoint.enrolment_key_file and self._state_directory:
            raise ConfigError("this machine is not enrolled yet")
        path = f"/v1/hosts/{lease.host_id}/instances/{lease.instance_id}/heartbeats/{sequence}"
        body = json.dumps({"hash": lease.hash}, separators=(",", ":")).encode("ascii")
        return request_to(endpoint, "PUT", path, headers, body)


def _most_bytes(status: int) -> int:
    return _ERROR_BYTES if status in _LATER else 0


def _result(answer: HttpAnswer, before: Mapping[str, object]) -> ExportResult | None:
    """Return what an answer means; None: it is one for the process."""
    fields = _fields(before, answer)
    if answer.status == _NO_CONTENT:
        return ExportResult(summary="1 message delivered", fields=fields)
    if answer.status not in _LATER:
        return None
    text = (answer.body or b"").decode("utf-8", errors="replace")
    there = http_date(answer.headers.get("date", ""))
    return ExportResult(
        response_class=classify_status(answer.status),
        summary="0 messages delivered",
        why=problem_text(answer.status, answer.reason, text),
        retry_after=retry_after(answer.headers.get("retry-after"), there or utc_now()),
        fields=fields,
    )


def _fields(before: Mapping[str, object], answer: HttpAnswer | None) -> dict[str, object]:
    """Return what the entry has beyond the common members: how far this machine's clock is ahead."""
    there = http_date(answer.headers.get("date", "")) if answer else None
    return skew_fields(utc_now() - there if there else None, before)
