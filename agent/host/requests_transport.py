"""Requests over the library `requests`: to an endpoint over HTTP, or through a proxy that is reached over HTTPS."""

import ssl
from collections.abc import Mapping

import requests
import urllib3

from agent.core.policy.policy import EndpointPolicy
from agent.host.http import causes, error_reason, read_bounded, session
from agent.host.http_transport import BODY_MATTERS, BodyLimit, HttpAnswer

_INTERIM = range(102, 200)
"""Interim responses that http.client takes for final ones; it passes over 100."""
_READ_TO_THE_END = frozenset({requests.codes.ok, requests.codes.no_content})


class RequestsTransport:
    """A session with the endpoint."""

    faults: tuple[type[Exception], ...] = (
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
        ValueError,
    )

    def __init__(self, policy: EndpointPolicy, headers: Mapping[str, str]) -> None:
        """Take where to, and the headers of every request; connects to nothing yet."""
        self._policy = policy
        self._session = session()
        self._session.headers = dict(headers)
        self._session.verify = policy.ca_file or True
        if policy.client_cert:
            self._session.cert = (policy.client_cert, policy.client_key or policy.client_cert)
        # Not for "http": a proxy would get token and report in clear text, and would be asked for its own loopback.
        self._session.proxies = {"https": policy.proxy} if policy.proxy else {}

    def ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str], most: BodyLimit) -> HttpAnswer:
        """Send one request, and return the answer; raises one of `faults`."""
        response = self._session.request(
            method,
            f"{self._policy.url}{path}",
            data=body,
            headers=headers,
            timeout=self._policy.timeout.total_seconds(),
            allow_redirects=False,
            stream=True,
        )
        if response.status_code in _INTERIM:
            response.close()
            raise OSError(f"HTTP {response.status_code} is no final answer, and the library reads none behind it")
        response.raw.enforce_content_length = True  # a body that is cut off is none
        try:
            found = read_bounded(response, most(response.status_code))
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            if response.status_code in BODY_MATTERS:
                raise
            found = None  # the head says what to do
        if found is None or response.status_code not in _READ_TO_THE_END:
            response.close()  # unread bytes would be taken for the next response
        names = {name.lower(): value for name, value in response.headers.items()}
        return HttpAnswer(status=response.status_code, reason=str(response.reason or ""), headers=names, body=found)

    def reason(self, error: Exception) -> str:
        """Return in a few words why there was no answer."""
        through = "the proxy cannot be used: " if isinstance(error, requests.exceptions.ProxyError) else ""
        return f"{through}{error_reason(error)}"

    def is_untrusted(self, error: Exception) -> bool:
        """Return whether the endpoint's certificate was not accepted."""
        return any(isinstance(one, ssl.SSLCertVerificationError) for one in causes(error))

    def close(self) -> None:
        """Close the connection."""
        self._session.close()
