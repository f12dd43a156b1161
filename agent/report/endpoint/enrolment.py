"""Enrolment: exchanges the enrolment key for a token of this host, and stores it.

The unprivileged exporter does it, as everything with a network peer. Safe to kill at any point: a token that was issued
and not stored was not used either, and the endpoint issues another one for the same host and instance.
"""

import json
import os
from contextlib import closing

from agent.core.frozen import frozen, replace
from agent.core.policy.policy import EndpointPolicy
from agent.core.redact import one_line
from agent.core.schedule.backoff import ResponseClass
from agent.core.schemas import ENROLLED_SCHEMA, ENROLMENT_SCHEMA
from agent.errors import HostError
from agent.host.bearer_token import read_endpoint_token, read_token
from agent.host.enrolled_token import EnrolledToken, enrolled_token, is_token, store_enrolled_token
from agent.host.http_values import remember_header
from agent.report.endpoint.client import EndpointClient, EndpointResponse
from agent.report.endpoint.run_deadline import RunDeadline
from agent.version import VERSION

_CREATED, _ACCEPTED = 201, 202
"""Statuses with a `maestro.enrolled/1`."""


@frozen
class EnrolmentPlace:
    """Where this machine enrols, and as what."""

    policy: EndpointPolicy
    state_directory: str
    host_id: str
    instance_id: str
    """Of the outbox: the same one that asks again repeats the exchange."""
    deadline: RunDeadline | None = None
    """Of the run that enrols."""


def is_enrolled(policy: EndpointPolicy, state_directory: str) -> bool:
    """Return whether there is a token, or none is wanted by enrolment.

    Raises:
        ConfigError: the token cannot be read.
    """
    return not policy.enrolment_key_file or bool(
        read_endpoint_token(policy.token_file, url=policy.url, enrolled_in=state_directory)
    )


def uses_enrolled_token(policy: EndpointPolicy, state_directory: str) -> bool:
    """Return whether the token that requests carry is the one of enrolment.

    Raises:
        ConfigError: the token cannot be read.
    """
    if not policy.enrolment_key_file:
        return False
    token = enrolled_token(state_directory, policy.url)
    return bool(token) and token == read_endpoint_token(policy.token_file, url=policy.url, enrolled_in=state_directory)


def enrol(place: EnrolmentPlace) -> EndpointResponse:
    """Exchange the key for a token, and store that; OK once it is stored.

    Raises:
        ConfigError: the key, the CA or the certificate cannot be read.
    """
    key = read_token(place.policy.enrolment_key_file)
    document = {
        "schema": ENROLMENT_SCHEMA,
        "host_id": place.host_id,
        "instance_id": place.instance_id,
        "name": os.uname().nodename or None,
        "agent_version": VERSION,
    }
    with closing(EndpointClient(place.policy, token=key, deadline=place.deadline)) as client:
        response = client.enrol(document)
    if not response.offered:
        return replace(response, why="the endpoint does not enrol hosts: configure endpoint.token_file instead")
    if response.status not in {_CREATED, _ACCEPTED}:
        return replace(response, why=f"the enrolment failed: {response.why or 'no answer to it'}")
    return _settle(place, response)


def _settle(place: EnrolmentPlace, response: EndpointResponse) -> EndpointResponse:
    answer = _answer(response.text, place.host_id)
    token = answer.get("token")
    if response.status == _ACCEPTED and answer:
        detail = one_line(str(answer.get("detail") or "a person has to approve it there"))
        return replace(response, response_class=ResponseClass.RETRY, why=f"not enrolled at the endpoint yet: {detail}")
    if not isinstance(token, str) or not is_token(token):
        why = "the answer to the enrolment has no token of this host"
        return replace(response, response_class=ResponseClass.SERVER_ERROR, why=why)
    remember_header(token)
    try:
        stored = EnrolledToken(url=place.policy.url, host_id=place.host_id, token=token)
        store_enrolled_token(place.state_directory, stored)
    except HostError as error:
        return replace(response, response_class=ResponseClass.RETRY, why=str(error))
    return replace(response, response_class=ResponseClass.OK, why="")


def _answer(text: str, host_id: str) -> dict[str, object]:
    """Return the members of an answer for this host; empty if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or (found.get("schema"), found.get("host_id")) != (ENROLLED_SCHEMA, host_id):
        return {}
    return found
