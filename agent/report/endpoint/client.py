"""The endpoint over HTTPS: one request at a time, with bounded responses.

Responses are untrusted input. No redirect is followed, certificates are always verified, no message has the token.
"""

import gzip
import json
import ssl
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import requests
import urllib3

from agent.core.policy.policy import EndpointPolicy
from agent.core.redact import one_line
from agent.core.schedule.backoff import ResponseClass, classify_status
from agent.host.bearer_token import read_endpoint_token, require_readable
from agent.host.http import causes, error_reason, read_bounded, session
from agent.host.http_values import http_date, remember_header, retry_after
from agent.host.process.alarm import time_limit
from agent.report.endpoint.problem_text import problem_text
from agent.state.timestamps import utc_now
from agent.version import VERSION

_RECEIPT_BYTES = 1 << 20
_ERROR_BYTES = 1 << 16
_NOT_OFFERED = frozenset({requests.codes.not_found, requests.codes.method_not_allowed})


@dataclass(frozen=True, slots=True, kw_only=True)
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
    ) -> None:
        """Prepare the session; sends nothing yet. `takes_requests`: receipts may carry requests of people.

        `state_directory` has the token of enrolment; a `token` takes the place of all others.

        Raises:
            ConfigError: token, CA or certificate cannot be read.
        """
        self._url = policy.url
        self._timeout = policy.timeout
        self._session = session()
        self._session.headers = {
            "User-Agent": f"maestro-agent/{VERSION}",
            "Accept-Encoding": "identity",  # no compressed response: it could be a bomb
            "Content-Type": "application/json",
        }
        if takes_requests:
            self._session.headers["Maestro-Requests"] = "1"
        enrolled_in = state_directory if policy.enrolment_key_file else ""
        found = token or read_endpoint_token(policy.token_file, url=policy.url, enrolled_in=enrolled_in)
        self._token = found
        if self._token:
            remember_header(self._token)
            self._session.headers["Authorization"] = f"Bearer {self._token}"
        require_readable(policy.ca_file, policy.client_cert, policy.client_key)
        self._session.verify = policy.ca_file or True
        if policy.client_cert:
            self._session.cert = (policy.client_cert, policy.client_key or policy.client_cert)
        self._session.proxies = {"http": policy.proxy, "https": policy.proxy} if policy.proxy else {}

    def post(self, batch: Mapping[str, object]) -> EndpointResponse:
        """Send one batch; faults of the endpoint or the network are in the result, never raised."""
        try:
            text = json.dumps(batch, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except (ValueError, RecursionError) as error:
            return EndpointResponse(
                response_class=ResponseClass.SERVER_ERROR, why=f"the batch cannot be encoded as JSON: {error}"
            )
        headers = {"Idempotency-Key": uuid.uuid4().hex, "Content-Encoding": "gzip"}
        body = text.encode(errors="replace")  # a file name that is not UTF-8 has lone surrogates
        return self._ask("POST", "/v1/messages", gzip.compress(body, 9, mtime=0), headers)

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
        self._session.close()

    def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> EndpointResponse:
        try:
            with time_limit(self._timeout):
                return self._exchange(method, path, body, headers)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            known = any(isinstance(one, ssl.SSLCertVerificationError) for one in causes(error))
            through = "the proxy cannot be used: " if isinstance(error, requests.exceptions.ProxyError) else ""
            why = one_line(f"{through}{error_reason(error)}")
            return EndpointResponse(
                response_class=ResponseClass.MISCONFIGURED if known else ResponseClass.RETRY, why=why
            )

    def _exchange(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> EndpointResponse:
        response = self._session.request(
            method,
            f"{self._url}{path}",
            data=body,
            headers=headers,
            timeout=self._timeout.total_seconds(),
            allow_redirects=False,
            stream=True,
        )
        there = http_date(response.headers.get("Date", ""))
        skew = None if there is None else utc_now() - there
        if method == "PUT" and response.status_code == requests.codes.no_content:
            return EndpointResponse(response_class=ResponseClass.OK, no_content=True, skew=skew)
        meaning = classify_status(response.status_code)
        answered = meaning is ResponseClass.OK
        found = read_bounded(response, _RECEIPT_BYTES if answered else _ERROR_BYTES)
        if found is None or not answered:
            response.close()  # unread bytes would be taken for the next response
        text = (found or b"").decode("utf-8", errors="replace")
        if answered:
            if found is not None:
                return EndpointResponse(response_class=meaning, text=text, skew=skew)
            why = f"a receipt that is compressed, or of more than {_RECEIPT_BYTES} bytes"
            return EndpointResponse(response_class=ResponseClass.SERVER_ERROR, why=why, skew=skew)
        return EndpointResponse(
            response_class=meaning,
            why=problem_text(response.status_code, str(response.reason or ""), text),
            text=text,
            status=response.status_code,
            final=response.headers.get("Content-Type", "").partition(";")[0].strip() == "application/problem+json",
            offered=response.status_code not in _NOT_OFFERED,
            retry_after=retry_after(response.headers.get("Retry-After"), there or utc_now()),
            skew=skew,
        )
