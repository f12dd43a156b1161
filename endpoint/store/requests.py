"""Requests at a contact of hosts: reads the open ones, lets `core.request_exchange` decide, and writes.

All of it is part of the transaction that stores the hosts' messages: an event and its effect are durable together, and
a request is marked as delivered before it is sent.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.deployments import (
    EARLIER_STEP,
    ENDED,
    Deployment,
    DeploymentStatus,
    QueuedRequest,
    RequestStatus,
    RequestStep,
)
from endpoint.core.request_exchange import Exchange, ExchangeView, RequestChange, exchange
from endpoint.core.requests import Delivery, request_document
from endpoint.store import request_statements as sql
from endpoint.store.notify_events import note_stop
from endpoint.store.tables import REQUEST_ACTIONS

_Pairs = tuple[tuple[QueuedRequest, ...], dict[str, Deployment]]


def exchange_requests(
    connection: Connection, hosts: frozenset[str], steps: Sequence[RequestStep], now_s: float
) -> dict[str, Delivery]:
    """Store what these events say, and return what is delivered to these hosts."""
    found, deployments = _pairs(connection, hosts, steps, now_s)
    if not found:
        return {}
    made = _decide(found, deployments, hosts, steps, now_s)
    if made.changes:
        locked = lock_deployments(connection, deployments)
        again, _ = _pairs(connection, hosts, steps, now_s)  # another process may have changed them before the lock
        same = tuple(request for request in again if request.deployment in locked)
        made = _decide(same, locked, hosts, steps, now_s)
        store_exchange(connection, made, locked, now_s)
    return _deliveries(connection, made)


def _decide(
    requests: tuple[QueuedRequest, ...],
    deployments: Mapping[str, Deployment],
    hosts: frozenset[str],
    steps: Sequence[RequestStep],
    now_s: float,
) -> Exchange:
    return exchange(
        ExchangeView(requests=requests, deployments=deployments, hosts=hosts, steps=tuple(steps), now_s=now_s)
    )


def _pairs(connection: Connection, hosts: frozenset[str], steps: Sequence[RequestStep], now_s: float) -> _Pairs:
    rows: list[Any] = []
    if hosts:
        rows += connection.execute(sql.OPEN_OF_HOSTS, {"hosts": sorted(hosts)})
        rows += connection.execute(sql.RECALLED_OF_HOSTS, {"hosts": sorted(hosts), "now": now_s})
    if steps:
        rows += connection.execute(sql.NAMED, {"ids": sorted({step.request_id for step in steps})})
    return pairs_of(rows)


def pairs_of(rows: Iterable[Any]) -> _Pairs:
    """Return the requests of rows, each once, and their deployments."""
    requests, deployments = {}, {}
    for row in rows:
        requests[row.id] = QueuedRequest(
            id=row.id,
            deployment=row.deployment,
            host_id=row.host_id,
            status=RequestStatus(row.status),
            step=row.step,
            host_step=RequestStatus(row.host_step) if row.host_step is not None else None,
            cancelling=row.cancel_at is not None,
            delivered_s=row.delivered_at or 0.0,
            changed_s=row.changed_at,
        )
        deployments[row.deployment] = _deployment(row, row.deployment, row.of_status)
    return tuple(requests.values()), deployments


def lock_deployments(connection: Connection, ids: Iterable[str]) -> dict[str, Deployment]:
    """Lock deployments until the transaction ends, and return them as they are now."""
    rows = connection.execute(sql.LOCKED_DEPLOYMENTS, {"ids": sorted(ids)})
    return {row.id: _deployment(row, row.id, row.status) for row in rows}


def _deployment(row: Any, identity: str, status: str) -> Deployment:
    return Deployment(
        id=identity,
        status=DeploymentStatus(status),
        at_once=row.at_once,
        stop_after=row.stop_after,
        expires_s=row.expires_at,
        in_flight=row.in_flight,
        failures=row.failures,
    )


def store_exchange(connection: Connection, made: Exchange, before: Mapping[str, Deployment], now_s: float) -> None:
    """Write what an exchange changes; `before` are the locked deployments."""
    values: dict[Any, list[dict[str, object]]] = {}
    for change in made.requests:
        statement, row = _written(change, now_s)
        values.setdefault(statement, []).append(row)
        if change.ends_later_steps:
            values.setdefault(sql.END_LATER, []).append(_later_steps(change.request, now_s))
    for of, deployment in made.deployments.items():
        changed = {"new_status": deployment.status.value, "new_in_flight": deployment.in_flight}
        values.setdefault(sql.COUNTS, []).append({"of": of, **changed, "new_failures": deployment.failures})
        if deployment.status is DeploymentStatus.STOPPED and before[of].status is not DeploymentStatus.STOPPED:
            _note_stop(connection, deployment, now_s)
    for statement, rows in values.items():
        connection.execute(statement, rows)


def _written(change: RequestChange, now_s: float) -> tuple[Any, dict[str, object]]:
    """Return the statement that stores a change, and its values."""
    request, step = change.request, change.step
    row: dict[str, object] = {"of": request.id, "now": now_s}
    if change.again:
        return sql.DELIVER_AGAIN, row
    if step is None and request.cancelling and request.status not in ENDED:
        return sql.CANCEL, row
    row["new_status"] = request.status.value
    if step is None:
        cancelled = request.status is RequestStatus.CANCELLED
        return (sql.END_CANCELLED if cancelled else sql.END if request.status in ENDED else sql.DELIVER), row
    said = {"new_why": step.why, "new_detail": step.detail, "new_run": step.run, "new_signed_by": step.signed_by}
    return sql.STEP, {**row, **said, "new_ended_at": now_s if step.status in ENDED else None}


def _later_steps(request: QueuedRequest, now_s: float) -> dict[str, object]:
    cancelled = {"new_status": RequestStatus.CANCELLED.value, "new_why": EARLIER_STEP}
    return {"of": request.deployment, "host": request.host_id, "at_step": request.step, "now": now_s, **cancelled}


def _note_stop(connection: Connection, deployment: Deployment, now_s: float) -> None:
    values = {"at": now_s, "deployment": deployment.id, "request": None, "action": "stopped", "person": None}
    connection.execute(sa.insert(REQUEST_ACTIONS), {**values, "detail": f"failed: {deployment.failures}"})
    note_stop(connection, deployment.id, deployment.failures, now_s)


def _deliveries(connection: Connection, made: Exchange) -> dict[str, Delivery]:
    wanted = [identity for ids in made.deliver.values() for identity in ids]
    documents = {}
    if wanted:
        for row in connection.execute(sql.DOCUMENTS, {"ids": wanted}):
            documents[row.id] = request_document(row.document, row.signature)
    hosts = {host for found in (made.deliver, made.cancelled) for host, ids in found.items() if ids}
    return {
        host: Delivery(
            requests=tuple(documents[identity] for identity in made.deliver[host]),
            cancelled=tuple(made.cancelled[host]),
        )
        for host in hosts
    }
