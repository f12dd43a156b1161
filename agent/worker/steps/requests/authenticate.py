"""Who a request is from: its signature, or the endpoint itself, which root asks over TLS.

The process that carries a request has a network peer and no privileges: what it carries may be made up.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime

from agent.config.signers import check_signers
from agent.core.policy.policy import EndpointPolicy, Policy, RequestsPolicy
from agent.core.requests.begin import Recheck
from agent.core.requests.model import Authentic, Request, RequestRefusal, RequestWhy
from agent.core.requests.wire import SIGNATURE_NAMESPACE, canonical_form
from agent.core.schedule.backoff import ResponseClass
from agent.errors import ConfigError, HostError
from agent.host.ssh_signature import SignatureFault, find_signer
from agent.report.endpoint.client import EndpointClient
from agent.worker.steps.requests.desk import Authenticate

_FAULTS = {
    SignatureFault.BAD: RequestWhy.BAD_SIGNATURE,
    SignatureFault.UNKNOWN_SIGNER: RequestWhy.SIGNER_UNKNOWN,
}


def authenticator(policy: Policy, state_directory: str) -> Authenticate:
    """Return the check that the configuration asks for."""
    if policy.requests.signers:
        return lambda request: by_signature(request, policy.requests)
    return lambda request: by_endpoint(request, policy.endpoint, state_directory)


def rechecker(policy: Policy, alive: Callable[[], None] = lambda: None) -> Recheck:
    """Return the check of a signature before the work begins: root may have removed the key since it was accepted.

    The key has to be valid at the time of acceptance, so that a short-lived one can ask for a window of next week.
    `alive` is called before each check: each may take as long as ssh-keygen is waited for.
    """

    def recheck(request: Request, accepted_at: datetime) -> RequestRefusal | HostError | None:
        alive()
        try:
            found = by_signature(request, policy.requests, accepted_at) if policy.requests.signers else None
        except HostError as error:
            return error
        return found if isinstance(found, RequestRefusal) else None

    return recheck


def by_signature(request: Request, policy: RequestsPolicy, at: datetime | None = None) -> Authentic | RequestRefusal:
    """Return who has signed a request, or why it does not count as signed: also where that cannot be checked here.

    `at` is when the key has to be valid; None: now.

    Raises:
        HostError: there is no verdict now, for want of space or time.
    """
    if request.signature is None:
        return RequestRefusal(why=RequestWhy.UNSIGNED, detail="requests.signers is set")
    try:
        check_signers(policy)
    except ConfigError as error:
        return RequestRefusal(why=RequestWhy.SIGNER_UNKNOWN, detail=str(error))
    message = canonical_form(request.document)
    try:
        found = find_signer(message, request.signature, policy.signers, SIGNATURE_NAMESPACE, at)
    except HostError as error:  # the person who sent it is to see that
        return RequestRefusal(why=RequestWhy.SIGNER_UNKNOWN, detail=str(error))
    except OSError as error:  # the request comes again
        raise HostError(f"the signature cannot be checked: {error}") from error
    return RequestRefusal(why=_FAULTS[found]) if isinstance(found, SignatureFault) else Authentic(signed_by=found)


def by_endpoint(request: Request, policy: EndpointPolicy, state_directory: str) -> Authentic | RequestRefusal:
    """Return that the endpoint has exactly this request, or that it has not.

    Raises:
        HostError: it cannot be asked now, or a proxy answers in its place. ConfigError: its credentials cannot be read.
    """
    if not policy.url.startswith("https://"):
        detail = "an unsigned request is confirmed over https only: set requests.signers, or an https endpoint.url"
        return RequestRefusal(why=RequestWhy.NOT_CONFIRMED, detail=detail)
    with closing(EndpointClient(policy, state_directory=state_directory)) as client:
        response = client.request(host_id=request.host_id, request_id=request.id)
    if response.final and not response.offered:
        return RequestRefusal(why=RequestWhy.NOT_CONFIRMED, detail="the endpoint does not have it")
    if response.response_class is not ResponseClass.OK:
        raise HostError(f"the request cannot be confirmed with the endpoint: {response.why}")
    if not _is_same(_object(response.text), request):
        return RequestRefusal(why=RequestWhy.NOT_CONFIRMED, detail="the endpoint has another one with this id")
    return Authentic()


def _object(text: str) -> Mapping[str, object]:
    """Return the answer of an endpoint.

    Raises:
        HostError: it is no object of JSON, as the page of a proxy while the endpoint is down.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise HostError("the request cannot be confirmed with the endpoint: the answer is no request")
    return found


def _is_same(found: Mapping[str, object], request: Request) -> bool:
    try:
        return canonical_form(found) == canonical_form(request.document)
    except (ValueError, RecursionError):
        return False
