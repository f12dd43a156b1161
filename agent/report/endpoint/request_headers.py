"""The headers of each request to the endpoint. Light: used by the daemon."""

from agent.core.policy.policy import EndpointPolicy
from agent.host.bearer_token import read_endpoint_token
from agent.host.http_values import remember_header
from agent.version import VERSION

AUTHORIZATION = "Authorization"


def request_headers(
    policy: EndpointPolicy, *, takes_requests: bool, state_directory: str, token: str | None = None
) -> dict[str, str]:
    """Return them, with the token where there is one; `takes_requests`: the answer may carry requests of people.

    `state_directory` has the token of enrolment; a `token` takes the place of all others.

    Raises:
        ConfigError: the token cannot be read.
    """
    headers = {
        "User-Agent": f"maestro-agent/{VERSION}",
        "Accept-Encoding": "identity",  # no compressed response: it could be a bomb
        "Content-Type": "application/json",
    }
    if takes_requests:
        headers["Maestro-Requests"] = "1"
    enrolled_in = state_directory if policy.enrolment_key_file else ""
    found = token or read_endpoint_token(policy.token_file, url=policy.url, enrolled_in=enrolled_in)
    if found:
        remember_header(found)
        headers[AUTHORIZATION] = f"Bearer {found}"
    return headers
