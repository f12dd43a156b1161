"""Deployments and requests for people, and one request for its host."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.deployment_report import ActionRecord, DeploymentRecord, LeftOutRecord, RequestRecord, StepRecord
from endpoint.core.deployments import IN_FLIGHT, DeploymentStatus, RequestStatus
from endpoint.core.requests import request_document
from endpoint.errors import UsageError
from endpoint.store.database import Database
from endpoint.store.request_statements import UNDER_WAY
from endpoint.store.tables import DEPLOYMENTS, REQUEST_ACTIONS, REQUESTS

Listed = tuple[DeploymentRecord, Mapping[RequestStatus, int]]
Shown = tuple[DeploymentRecord, Sequence[RequestRecord], Sequence[ActionRecord]]
_COUNTS = sa.select(REQUESTS.c.deployment, REQUESTS.c.status, sa.func.count().label("requests")).group_by(
    REQUESTS.c.deployment, REQUESTS.c.status
)
_IN_FLIGHT = sa.select(REQUESTS.c.document, REQUESTS.c.signature).where(
    REQUESTS.c.id == sa.bindparam("request"),
    REQUESTS.c.host_id == sa.bindparam("host"),
    REQUESTS.c.status.in_(sorted(status.value for status in IN_FLIGHT)),
    REQUESTS.c.cancel_at.is_(None),
)
_OPEN_COUNTS = (
    sa.select(REQUESTS.c.status, sa.func.count().label("requests"))
    .where(REQUESTS.c.ended_at.is_(None))
    .group_by(REQUESTS.c.status)
)
_STOPPED = (
    sa.select(sa.func.count())
    .select_from(DEPLOYMENTS)
    .where(
        DEPLOYMENTS.c.status == DeploymentStatus.STOPPED.value,
        DEPLOYMENTS.c.expires_at > sa.bindparam("now"),
        UNDER_WAY,
    )
)
_LEAST_PREFIX = 4


class RequestQueries:
    """All queries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def in_flight(self, host_id: str, identity: str) -> dict[str, object] | None:
        """Return a request that was delivered, has not ended and is still wanted; None: there is none of this host.

        Raises:
            StoreError: the database does not answer.
        """
        values = {"request": identity, "host": host_id}
        row = self._database.read(lambda connection: connection.execute(_IN_FLIGHT, values).first())
        return None if row is None else request_document(row.document, row.signature)

    def list(self) -> list[Listed]:
        """Return all deployments, the latest first.

        Raises:
            StoreError: the database does not answer.
        """
        return self._database.read(_list)

    def open_counts(self, now: datetime) -> tuple[dict[RequestStatus, int], int]:
        """Return how many requests are open, by status, and how many deployments wait for a person.

        Those are stopped, have requests left, and have not expired.

        Raises:
            StoreError: the database does not answer.
        """
        values = {"now": now.timestamp()}
        rows = self._database.read(lambda connection: connection.execute(_OPEN_COUNTS).all())
        stopped = self._database.read(lambda connection: connection.execute(_STOPPED, values).scalar())
        return {RequestStatus(row.status): row.requests for row in rows}, int(stopped or 0)

    def show(self, deployment: str) -> Shown:
        """Return a deployment with its requests in order, and the actions on it.

        Raises:
            StoreError: the database does not answer.
            UsageError: there is no such deployment.
        """
        return self._database.read(lambda connection: _show(connection, deployment))

    def find(self, text: str) -> tuple[str, str | None]:
        """Return the deployment, and the request, that an id or the beginning of one names; None: a deployment's.

        Raises:
            StoreError: the database does not answer.
            UsageError: it names none, or several.
        """
        return self._database.read(lambda connection: _find(connection, text.lower()))

    def documents(self, deployment: str, status: RequestStatus) -> dict[str, str]:
        """Return the canonical forms of a deployment's requests with this status, by id, in order.

        Raises:
            StoreError: the database does not answer.
        """
        wanted = (
            sa.select(REQUESTS.c.id, REQUESTS.c.document)
            .where(REQUESTS.c.deployment == deployment, REQUESTS.c.status == status.value)
            .order_by(REQUESTS.c.position)
        )
        rows = self._database.read(lambda connection: connection.execute(wanted).all())
        return {row.id: row.document for row in rows}


def _list(connection: Connection) -> list[Listed]:
    counts: dict[str, dict[RequestStatus, int]] = defaultdict(dict)
    for row in connection.execute(_COUNTS):
        counts[row.deployment][RequestStatus(row.status)] = row.requests
    wanted = sa.select(DEPLOYMENTS).order_by(DEPLOYMENTS.c.created_at.desc(), DEPLOYMENTS.c.id)
    return [(deployment_record(row), counts[row.id]) for row in connection.execute(wanted)]


def _show(connection: Connection, deployment: str) -> Shown:
    row = connection.execute(sa.select(DEPLOYMENTS).where(DEPLOYMENTS.c.id == deployment)).first()
    if row is None:
        raise UsageError(f"there is no deployment {deployment}")
    wanted = sa.select(REQUESTS).where(REQUESTS.c.deployment == deployment).order_by(REQUESTS.c.position)
    of_it = sa.select(REQUEST_ACTIONS).where(REQUEST_ACTIONS.c.deployment == deployment).order_by(REQUEST_ACTIONS.c.id)
    actions = [action_record(one) for one in connection.execute(of_it)]
    return deployment_record(row), [request_record(one) for one in connection.execute(wanted)], actions


def _find(connection: Connection, text: str) -> tuple[str, str | None]:
    if len(text) < _LEAST_PREFIX or not set(text) <= set("0123456789abcdef-"):
        raise UsageError(f"{text[:64]!a} is no id: at least its first {_LEAST_PREFIX} digits are needed")
    deployments = sa.select(DEPLOYMENTS.c.id).where(DEPLOYMENTS.c.id.startswith(text)).limit(2)
    found: list[tuple[str, str | None]] = [(row.id, None) for row in connection.execute(deployments)]
    wanted = sa.select(REQUESTS.c.id, REQUESTS.c.deployment).where(REQUESTS.c.id.startswith(text)).limit(2)
    found += [(row.deployment, row.id) for row in connection.execute(wanted)]
    if not found:
        raise UsageError(f"there is no deployment or request {text}; `maestro-endpoint requests list` shows them")
    if len(found) > 1:
        raise UsageError(f"{text} is the beginning of several ids: give more of it")
    return found[0]


def deployment_record(row: Any) -> DeploymentRecord:
    """Return the deployment in a row."""
    return DeploymentRecord(
        id=row.id,
        verb=row.verb,
        arguments=json.loads(row.arguments),
        plan_id=row.plan_id,
        comment=row.comment,
        requested_by=row.requested_by,
        created_s=row.created_at,
        expires_s=row.expires_at,
        at_once=row.at_once,
        stop_after=row.stop_after,
        status=DeploymentStatus(row.status),
        steps=tuple(StepRecord(**step) for step in json.loads(row.steps or "[]")),
        left_out=None if row.left_out is None else tuple(LeftOutRecord(**one) for one in json.loads(row.left_out)),
        selection=row.selection,
    )


def request_record(row: Any) -> RequestRecord:
    """Return the request in a row."""
    return RequestRecord(
        id=row.id,
        host_id=row.host_id,
        status=RequestStatus(row.status),
        step=row.step,
        signed=row.signature is not None,
        cancelling=row.cancel_at is not None and row.ended_at is None,
        delivered_s=row.delivered_at,
        changed_s=row.changed_at,
        why=row.why,
        detail=row.detail,
        run=row.run,
        signed_by=row.signed_by,
    )


def action_record(row: Any) -> ActionRecord:
    """Return the action in a row."""
    return ActionRecord(at_s=row.at, person=row.person, action=row.action, request=row.request, detail=row.detail)
