"""Makes a deployment and its requests of a preview that a person has confirmed. Pure; what makes ids is an argument."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from endpoint.core.deploy.preview import PlannedHost, PlannedStep, Preview
from endpoint.core.deployment_report import DeploymentRecord, StepRecord
from endpoint.core.deployments import RequestStatus
from endpoint.core.request_arguments import Terms, request_arguments, request_form
from endpoint.core.timestamps import format_utc

MAX_LEFT_OUT = 1000
"""Kept with the deployment, which may have left out more if it has so many; the preview shows all."""
_MAX_NAME = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """A request that is to be queued."""

    id: str
    host_id: str
    form: str
    """The canonical form of `maestro.request/1`."""
    signature: str | None
    step: int = 1
    status: RequestStatus = RequestStatus.QUEUED


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDeployment:
    """A deployment that is not stored yet."""

    record: DeploymentRecord
    requests: tuple[NewRequest, ...]
    """Host by host, each with its steps in order."""


def new_deployment(
    preview: Preview, *, identity: str, person: str, now: datetime, new_id: Callable[[], str]
) -> NewDeployment:
    """Return what is stored; `new_id` returns another random UUID for each request.

    Raises:
        UsageError: a verb does not take one of its arguments.
    """
    order, created = preview.order, now.replace(microsecond=0)
    expires = created + order.expires_in
    name = person[:_MAX_NAME]
    terms = Terms(
        created_at=format_utc(created), expires_at=format_utc(expires), requested_by=name, comment=order.comment
    )
    steps = tuple(
        StepRecord(verb=work.verb.value, arguments=request_arguments(replace(work, plan_id=None), 1))
        for work in order.works
    )
    record = DeploymentRecord(
        id=identity,
        verb=steps[0].verb,
        arguments=steps[0].arguments,
        plan_id=_only_plan(preview),
        comment=order.comment,
        requested_by=name,
        created_s=created.timestamp(),
        expires_s=expires.timestamp(),
        at_once=order.at_once_of(len(preview.hosts)),
        stop_after=order.stop_after,
        steps=steps if len(steps) > 1 else (),
        left_out=preview.left_out[:MAX_LEFT_OUT],
        selection=preview.selection,
    )
    requests = (_request(new_id(), step, host, terms) for host in preview.hosts for step in host.steps)
    return NewDeployment(record=record, requests=tuple(requests))


def _request(identity: str, step: PlannedStep, host: PlannedHost, terms: Terms) -> NewRequest:
    arguments = request_arguments(step.work, 1)
    waits = host.waits_for_signature
    return NewRequest(
        id=identity,
        host_id=host.host_id,
        form=request_form(step.work, terms, identity=identity, host_id=host.host_id, arguments=arguments),
        signature=None,
        step=step.number,
        status=RequestStatus.WAITING_SIGNATURE if waits else RequestStatus.QUEUED,
    )


def _only_plan(preview: Preview) -> str | None:
    """Return the plan to which a deployment of one request is limited; others have one in each request."""
    works = [step.work for host in preview.hosts for step in host.steps]
    return works[0].plan_id if len(works) == 1 else None
