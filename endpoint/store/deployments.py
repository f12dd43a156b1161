"""What people do with deployments: create, sign, cancel, resume; each action is recorded with its effect."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.audit import AuditAction
from endpoint.core.deploy.new_deployment import NewRequest
from endpoint.core.deployment_report import DeploymentRecord
from endpoint.core.deployments import Deployment, DeploymentStatus, QueuedRequest, RequestStatus
from endpoint.core.request_exchange import cancel, expire
from endpoint.core.timestamps import format_utc
from endpoint.errors import UsageError
from endpoint.store import request_statements as sql
from endpoint.store.audit import note_in
from endpoint.store.database import Database
from endpoint.store.requests import lock_deployments, pairs_of, store_exchange
from endpoint.store.tables import DEPLOYMENTS, REQUEST_ACTIONS, REQUESTS

_AUDITED = {
    "created": AuditAction.DEPLOYMENT_CREATED,
    "signed": AuditAction.DEPLOYMENT_SIGNED,
    "cancelled": AuditAction.DEPLOYMENT_CANCELLED,
    "resumed": AuditAction.DEPLOYMENT_RESUMED,
}
_OVERDUE = (
    sa.select(REQUESTS.c.deployment)
    .distinct()
    .select_from(REQUESTS.join(DEPLOYMENTS))
    .where(REQUESTS.c.ended_at.is_(None), DEPLOYMENTS.c.expires_at <= sa.bindparam("now"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does something, and when."""

    name: str
    at: datetime
    address: str | None = None
    """Where the request came from; None: a command on the endpoint's machine."""

    @property
    def at_s(self) -> float:
        """Return the time in Unix seconds."""
        return self.at.timestamp()


class DeploymentStore:
    """Changes deployments; what it returns is durable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, record: DeploymentRecord, requests: Sequence[NewRequest], *, address: str | None = None) -> bool:
        """Store a deployment and its requests, which are queued or wait for a signature.

        Return False if there is one with this id already: a form was sent twice.

        Raises:
            StoreError: the database does not answer.
        """
        return self._database.write(lambda connection: _create(connection, record, requests, address))

    def sign(self, deployment: str, signatures: Mapping[str, str], person: Actor) -> int:
        """Queue requests that waited for these signatures, by id; return how many did.

        Raises:
            StoreError: the database does not answer.
            UsageError: there is no such deployment, or it has expired.
        """
        return self._database.write(lambda connection: _sign(connection, deployment, signatures, person))

    def cancel(self, deployment: str, only: frozenset[str] | None, person: Actor, *, lost: bool = False) -> int:
        """Cancel a deployment, or `only` these of its requests; return how many wait for the end on their hosts.

        `lost`: none does, because their hosts are given up.

        Raises:
            StoreError: the database does not answer.
            UsageError: there is nothing left to cancel.
        """
        return self._database.write(lambda connection: _cancel(connection, deployment, only, person, lost=lost))

    def resume(self, deployment: str, person: Actor) -> None:
        """Deliver a stopped deployment's requests again; failures count from zero.

        Raises:
            StoreError: the database does not answer.
            UsageError: it is not stopped, or has expired.
        """
        self._database.write(lambda connection: _resume(connection, deployment, person))

    def expire(self, now: datetime) -> int:
        """End the requests of expired deployments that no host will start; return how many ended.

        Raises:
            StoreError: the database does not answer.
        """
        now_s = now.timestamp()
        with self._database.reading() as connection:
            overdue = connection.execute(_OVERDUE, {"now": now_s}).scalars().all()
        return sum(self._database.write(partial(_expire, deployment=one, now_s=now_s)) for one in overdue)


def _create(
    connection: Connection, record: DeploymentRecord, requests: Sequence[NewRequest], address: str | None
) -> bool:
    if connection.execute(sa.select(DEPLOYMENTS.c.id).where(DEPLOYMENTS.c.id == record.id)).first() is not None:
        return False
    values = {
        "id": record.id, "verb": record.verb, "arguments": json.dumps(record.arguments), "plan_id": record.plan_id,
        "comment": record.comment, "requested_by": record.requested_by, "created_at": record.created_s,
        "expires_at": record.expires_s, "at_once": record.at_once, "stop_after": record.stop_after,
        "status": record.status.value, "in_flight": 0, "failures": 0, "selection": record.selection,
        "steps": json.dumps([asdict(step) for step in record.steps]) if record.steps else None,
        "left_out": None if record.left_out is None else json.dumps([asdict(one) for one in record.left_out]),
    }  # fmt: skip
    connection.execute(sa.insert(DEPLOYMENTS), values)
    rows = [
        {
            "id": request.id, "deployment": record.id, "position": position, "host_id": request.host_id,
            "document": request.form, "signature": request.signature, "status": request.status.value,
            "step": request.step, "changed_at": record.created_s,
        }
        for position, request in enumerate(requests)
    ]  # fmt: skip
    connection.execute(sa.insert(REQUESTS), rows)
    at = datetime.fromtimestamp(record.created_s, timezone.utc)
    by = Actor(name=record.requested_by, at=at, address=address)
    hosts = len({request.host_id for request in requests})
    verbs = ", ".join(step.verb for step in record.all_steps)
    _note(connection, record.id, by, "created", f"{verbs}: {hosts} {'host' if hosts == 1 else 'hosts'}")
    return True


def _sign(connection: Connection, deployment: str, signatures: Mapping[str, str], person: Actor) -> int:
    _require_unexpired(_locked(connection, deployment), person.at_s)
    signed = 0
    for request, signature in signatures.items():
        values = {
            "of": request, "old_status": RequestStatus.WAITING_SIGNATURE.value, "now": person.at_s,
            "new_status": RequestStatus.QUEUED.value, "new_signature": signature,
        }  # fmt: skip
        signed += connection.execute(sql.SIGN, values).rowcount
    if signed:
        _note(connection, deployment, person, "signed", f"{signed} requests")
    return signed


def _cancel(connection: Connection, deployment: str, only: frozenset[str] | None, person: Actor, *, lost: bool) -> int:
    found = _locked(connection, deployment)
    requests = tuple(one for one in _unended(connection, deployment) if only is None or one.id in only)
    if not requests:
        raise UsageError("nothing to cancel: it has ended")
    made = cancel(found, requests, person.at_s, lost=lost)
    store_exchange(connection, made, {deployment: found}, person.at_s)
    if only is None:
        changed = sa.update(DEPLOYMENTS).where(DEPLOYMENTS.c.id == deployment)
        connection.execute(changed.values(status=DeploymentStatus.CANCELLED.value))
    noted: tuple[str | None, ...] = (None,) if only is None else tuple(one.id for one in requests)
    for request in noted:
        _note(connection, deployment, person, "cancelled", "lost" if lost else "", request)
    ended = sum(change.request.status is RequestStatus.CANCELLED for change in made.requests)
    return len(requests) - ended


def _resume(connection: Connection, deployment: str, person: Actor) -> None:
    found = _locked(connection, deployment)
    if found.status is not DeploymentStatus.STOPPED:
        raise UsageError(f"it is not stopped but {found.status.value}")
    _require_unexpired(found, person.at_s)
    changed = sa.update(DEPLOYMENTS).where(DEPLOYMENTS.c.id == deployment)
    connection.execute(changed.values(status=DeploymentStatus.ACTIVE.value, failures=0))
    _note(connection, deployment, person, "resumed", "")


def _expire(connection: Connection, *, deployment: str, now_s: float) -> int:
    found = _locked(connection, deployment)
    made = expire(found, _unended(connection, deployment), now_s)
    store_exchange(connection, made, {deployment: found}, now_s)
    return len(made.requests)


def _require_unexpired(deployment: Deployment, now_s: float) -> None:
    if now_s >= deployment.expires_s:
        at = format_utc(datetime.fromtimestamp(deployment.expires_s, timezone.utc))
        raise UsageError(f"it expired at {at}: make a new request")


def _locked(connection: Connection, deployment: str) -> Deployment:
    found = lock_deployments(connection, [deployment]).get(deployment)
    if found is None:
        raise UsageError(f"there is no deployment {deployment}")
    return found


def _unended(connection: Connection, deployment: str) -> tuple[QueuedRequest, ...]:
    requests, _ = pairs_of(connection.execute(sql.UNENDED, {"of": deployment}))
    return requests


def _note(
    connection: Connection, deployment: str, person: Actor, action: str, detail: str, request: str | None = None
) -> None:
    values = {
        "at": person.at_s, "deployment": deployment, "request": request, "action": action, "person": person.name,
        "detail": detail,
    }  # fmt: skip
    connection.execute(sa.insert(REQUEST_ACTIONS), values)
    host = (
        connection.execute(sa.select(REQUESTS.c.host_id).where(REQUESTS.c.id == request)).scalar() if request else None
    )
    note_in(
        connection, person.at, person.name, _AUDITED[action], f"deployment {deployment[:8]}", detail, host_id=host,
        deployment=deployment, address=person.address,
    )  # fmt: skip
