"""The deployments of a demo: one that is done, one that stopped, one under way; and what people did. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from endpoint.core.audit import AuditAction
from endpoint.core.demo.dice import demo_uuid
from endpoint.core.demo.roster import DemoHost, Mood
from endpoint.core.deployment_report import DeploymentRecord
from endpoint.core.deployments import DeploymentStatus, RequestStatus
from endpoint.core.request_arguments import Terms, Verb, Work, request_arguments, request_form
from endpoint.core.timestamps import format_utc

_DONE, _FAILED, _RUNNING, _QUEUED = (
    RequestStatus.DONE,
    RequestStatus.FAILED,
    RequestStatus.RUNNING,
    RequestStatus.QUEUED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRequest:
    """One request, and how far it has come."""

    id: str
    host_id: str
    form: str
    status: RequestStatus
    changed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoDeployment:
    """One deployment with its requests."""

    record: DeploymentRecord
    requests: tuple[DemoRequest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoAction:
    """What a person did, for the audit."""

    at: datetime
    person: str
    action: AuditAction
    subject: str
    detail: str = ""
    deployment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Story:
    name: str
    person: str
    ago: timedelta
    work: Work
    comment: str
    kind: str
    stages: tuple[RequestStatus, ...]
    status: DeploymentStatus = DeploymentStatus.ACTIVE


_STORIES = (
    _Story(
        name="weekly", person="alice", ago=timedelta(days=6, hours=2),
        work=Work(verb=Verb.UPGRADE_SECURITY, reboot="if-required"), comment="weekly round, staging first",
        kind="web", stages=(_DONE,) * 8,
    ),
    _Story(
        name="curl", person="bob", ago=timedelta(days=2, hours=5),
        work=Work(verb=Verb.UPGRADE_FIXES, fixes=("curl",)), comment="curl before the weekend", kind="worker",
        stages=(_DONE, _DONE, _DONE, _FAILED, _QUEUED, _QUEUED), status=DeploymentStatus.STOPPED,
    ),
    _Story(
        name="tonight", person="alice", ago=timedelta(minutes=20),
        work=Work(verb=Verb.UPGRADE_SECURITY, reboot="if-required"), comment="OpenSSL, two at once", kind="app",
        stages=(_DONE, _DONE, _DONE, _DONE, _RUNNING, _RUNNING, _QUEUED, _QUEUED, _QUEUED, _QUEUED),
    ),
)  # fmt: skip
_AT_ONCE = 2


def demo_deployments(hosts: Sequence[DemoHost], now: datetime) -> tuple[DemoDeployment, ...]:
    """Return the deployments; one whose hosts are not in a small fleet is left out."""
    made = [_deployment(story, hosts, now) for story in _STORIES]
    return tuple(one for one in made if one.requests)


def _deployment(story: _Story, hosts: Sequence[DemoHost], now: datetime) -> DemoDeployment:
    able = [host for host in hosts if host.kind == story.kind and host.mood not in {Mood.SILENT, Mood.UNKNOWN}]
    created, count = now - story.ago, min(len(able), len(story.stages))
    expires = created + timedelta(days=7)
    terms = Terms(
        created_at=format_utc(created), expires_at=format_utc(expires), requested_by=story.person,
        comment=story.comment,
    )  # fmt: skip
    arguments = request_arguments(story.work, max(1, count))
    requests = []
    for at, (host, status) in enumerate(zip(able, story.stages, strict=False)):
        identity = demo_uuid(f"request {story.name} {host.name}")
        form = request_form(story.work, terms, identity=identity, host_id=host.host_id, arguments=arguments)
        changed = created if status is _QUEUED else min(created + timedelta(minutes=3 * (at + 1)), now)
        requests.append(
            DemoRequest(
                id=identity, host_id=host.host_id, form=form, status=status, changed_s=changed.timestamp()
            )
        )  # fmt: skip
    record = DeploymentRecord(
        id=demo_uuid(f"deployment {story.name}"), verb=story.work.verb.value, arguments=arguments, plan_id=None,
        comment=story.comment, requested_by=story.person, created_s=created.timestamp(),
        expires_s=expires.timestamp(), at_once=_AT_ONCE, stop_after=1, status=story.status,
    )  # fmt: skip
    return DemoDeployment(record=record, requests=tuple(requests))


def demo_actions(deployments: Sequence[DemoDeployment], now: datetime) -> tuple[DemoAction, ...]:
    """Return what people did, the oldest first."""
    began = now - timedelta(days=30)
    actions = [
        DemoAction(at=began, person="root", action=AuditAction.USER_ADDED, subject="alice", detail="admin"),
        DemoAction(at=began, person="root", action=AuditAction.USER_ADDED, subject="bob", detail="operator"),
        DemoAction(at=began, person="alice", action=AuditAction.TOKEN_ADDED, subject="fleet", detail="agents"),
    ]
    for one in deployments:
        created = datetime.fromtimestamp(one.record.created_s, now.tzinfo)
        person = one.record.requested_by
        # The deployment itself is recorded when it is stored.
        actions.append(
            DemoAction(at=created - timedelta(minutes=4), person=person, action=AuditAction.LOGGED_IN, subject=person)
        )
    return tuple(sorted(actions, key=lambda action: action.at))
