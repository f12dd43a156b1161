"""Deployments as documents, `maestro.deployment/1` and `maestro.deployments/1`. Pure; unknown is None."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from endpoint.core.deployment_phase import phase_of
from endpoint.core.deployments import ENDED, DeploymentStatus, RequestStatus
from endpoint.core.timestamps import format_utc

SCHEMA = "maestro.deployment/1"
LIST_SCHEMA = "maestro.deployments/1"
_HAS_ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One thing that each host of a deployment does."""

    verb: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutRecord:
    """A host that was selected and gets no request, or not that of each step."""

    host_id: str
    host: str | None
    why: str
    detail: str = ""
    """What it was left out of: a verb; empty: of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRecord:
    """A deployment as a person made it, and its status."""

    id: str
    verb: str
    arguments: Mapping[str, object]
    plan_id: str | None
    comment: str
    requested_by: str
    created_s: float
    expires_s: float
    at_once: int
    stop_after: int
    status: DeploymentStatus = DeploymentStatus.ACTIVE
    steps: tuple[StepRecord, ...] = ()
    """What each host does, one after the other; empty: `verb` alone, as in deployments of earlier versions."""
    left_out: tuple[LeftOutRecord, ...] | None = None
    """None: not recorded."""
    selection: str | None = None
    """The query of /hosts that chose the hosts; None: they were chosen otherwise."""

    @property
    def all_steps(self) -> tuple[StepRecord, ...]:
        """Return the steps, at least one."""
        return self.steps or (StepRecord(verb=self.verb, arguments=self.arguments),)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One request of a deployment."""

    id: str
    host_id: str
    status: RequestStatus
    signed: bool
    step: int = 1
    cancelling: bool = False
    delivered_s: float | None = None
    changed_s: float
    why: str | None = None
    detail: str | None = None
    run: str | None = None
    signed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRecord:
    """What a person, or the endpoint itself, did with a deployment."""

    at_s: float
    person: str | None
    action: str
    request: str | None
    detail: str


def deployment_document(
    record: DeploymentRecord,
    requests: Sequence[RequestRecord],
    names: Mapping[str, str],
    actions: Iterable[ActionRecord],
    now: datetime,
) -> dict[str, Any]:
    """Return `maestro.deployment/1`; `names` of hosts by id."""
    left_out = None if record.left_out is None else [_left_out(one) for one in record.left_out]
    return {
        "schema": SCHEMA,
        "generated_at": format_utc(now),
        **_summary(record, Counter(request.status for request in requests)),
        **({} if left_out is None else {"left_out": left_out}),
        "requests": [_request(request, names) for request in requests],
        "actions": [
            {
                "at": _utc(one.at_s),
                "by": one.person,
                "action": one.action,
                "request": one.request,
                "detail": one.detail,
            }
            for one in actions
        ],
    }


def deployments_document(
    found: Iterable[tuple[DeploymentRecord, Mapping[RequestStatus, int]]], now: datetime
) -> dict[str, Any]:
    """Return `maestro.deployments/1`; each deployment with the number of its requests by status."""
    deployments = [_summary(record, counts) for record, counts in found]
    return {"schema": LIST_SCHEMA, "generated_at": format_utc(now), "deployments": deployments}


def _summary(record: DeploymentRecord, counts: Mapping[RequestStatus, int]) -> dict[str, Any]:
    open_ones = sum(count for status, count in counts.items() if status not in ENDED)
    return {
        "id": record.id,
        "verb": record.verb,
        "arguments": dict(record.arguments),
        "steps": [{"verb": step.verb, "arguments": dict(step.arguments)} for step in record.all_steps],
        "selection": record.selection,
        "plan_id": record.plan_id,
        "comment": record.comment,
        "requested_by": record.requested_by,
        "created_at": _utc(record.created_s),
        "expires_at": _utc(record.expires_s),
        "at_once": record.at_once,
        "stop_after": record.stop_after,
        "status": record.status.value if open_ones else _HAS_ENDED,
        "phase": phase_of(record.status, counts).value,
        "counts": {status.value: counts.get(status, 0) for status in RequestStatus},
    }


def _left_out(one: LeftOutRecord) -> dict[str, Any]:
    return {"host_id": one.host_id, "host": one.host, "why": one.why, "detail": one.detail}


def _request(request: RequestRecord, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": request.id,
        "host_id": request.host_id,
        "host": names.get(request.host_id),
        "step": request.step,
        "status": request.status.value,
        "signed": request.signed,
        "cancelling": request.cancelling,
        "delivered_at": _utc(request.delivered_s) if request.delivered_s is not None else None,
        "changed_at": _utc(request.changed_s),
        "why": request.why,
        "detail": request.detail,
        "run": request.run,
        "signed_by": request.signed_by,
    }


def _utc(moment_s: float) -> str:
    return format_utc(datetime.fromtimestamp(moment_s, timezone.utc))
