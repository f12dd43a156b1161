"""Requests over `https_exchange`, a connection for each: importing the HTTP library costs more than they do."""

import ssl
from collections.abc import Mapping

from agent.core.policy.policy import EndpointPolicy
from agent.core.redact import redact
from agent.host.endpoint_address import request_to
from agent.host.http_body import read_answer
from agent.host.http_response import MalformedResponseError
from agent.host.http_transport import BodyLimit, HttpAnswer
from agent.host.http_values import fault_text
from agent.host.https_exchange import exchange
from agent.host.tls_contexts import TlsContexts


class HttpsTransport:
    """Requests to an endpoint over HTTPS, directly or through a proxy that is reached over HTTP."""

    faults: tuple[type[Exception], ...] = (OSError, ValueError, MalformedResponseError)

    def __init__(self, policy: EndpointPolicy, headers: Mapping[str, str]) -> None:
        """Take where to, and the headers of every request; connects to nothing yet."""
        self._policy = policy
        self._headers = headers
        self._contexts = TlsContexts()

    def ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str], most: BodyLimit) -> HttpAnswer:
        """Send one request, and return the answer.

        Raises:
            OSError: the network, TLS or one of its files fails, or the limit of time is reached (TimeoutError).
            MalformedResponseError: what came back is no response.
        """
        policy = self._policy
        context = self._contexts.context(policy.ca_file, policy.client_cert, policy.client_key)
        request = request_to(policy, method, path, {**self._headers, **headers}, body)
        return exchange(request, context, policy.timeout, lambda receive: read_answer(receive, most))

    def reason(self, error: Exception) -> str:
        """Return in a few words why there was no answer."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return redact(f"its certificate is not accepted: {error.verify_message}")
        if isinstance(error, MalformedResponseError):
            return f"the response is malformed: {error}"
        return redact(fault_text(error) or type(error).__name__)

    def is_untrusted(self, error: Exception) -> bool:
        """Return whether the endpoint's certificate was not accepted."""
        return isinstance(error, ssl.SSLCertVerificationError)

    def close(self) -> None:
        """Do nothing: each connection ends with its answer."""
