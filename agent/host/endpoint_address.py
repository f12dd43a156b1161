"""Requests to the endpoint of a policy, which may be behind an HTTP proxy. Light: used by the daemon."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from agent.core.policy.policy import EndpointPolicy
from agent.host.https_exchange import HttpsRequest

_HTTPS_PORT, _PROXY_PORT = 443, 80


def request_to(policy: EndpointPolicy, method: str, path: str, headers: Mapping[str, str], body: bytes) -> HttpsRequest:
    """Return a request to a path below the endpoint's URL.

    Raises:
        ValueError: the URL or the proxy's has a port that is none.
    """
    address, proxy = urlsplit(policy.url), urlsplit(policy.proxy)
    return HttpsRequest(
        method=method,
        host=address.hostname or "",
        port=address.port or _HTTPS_PORT,
        path=f"{address.path}{path}",
        headers=headers,
        body=body,
        proxy=(proxy.hostname, proxy.port or _PROXY_PORT) if proxy.hostname else None,
    )
