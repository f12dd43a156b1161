"""Deployments as a person sees them: only the hosts of the scope, and their counts."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.deploy.new_deployment import MAX_LEFT_OUT
from endpoint.core.deployment_report import ActionRecord, DeploymentRecord, RequestRecord
from endpoint.core.deployments import ENDED, UNSENT, RequestStatus
from endpoint.core.host_choice import LeftOut
from endpoint.core.people import Person, Right
from endpoint.store.audit import deployments_in
from endpoint.store.database import Database
from endpoint.store.host_tables import HOSTS
from endpoint.store.request_queries import Listed, action_record, deployment_record, request_record
from endpoint.store.scopes import in_scope
from endpoint.store.tables import DEPLOYMENTS, REQUEST_ACTIONS, REQUESTS

PAGE = 50
"""Deployments of a list."""
REQUESTS_OF_A_PAGE = 200
_MAX_NAME = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentView:
    """What a person sees of one deployment."""

    record: DeploymentRecord
    counts: Mapping[RequestStatus, int]
    requests: Sequence[RequestRecord]
    """One page, or all."""
    names: Mapping[str, str]
    """Of hosts, by id."""
    actions: Sequence[ActionRecord]
    next_position: int | None
    """Where the next page begins; None: there is none."""
    is_whole: bool
    """Whether the person sees all of its hosts."""
    more_left_out: bool
    """Whether more hosts may be left out than are recorded."""

    @property
    def open(self) -> int:
        """Return how many of its requests have not ended."""
        return sum(count for status, count in self.counts.items() if status not in ENDED)

    @property
    def unsent(self) -> int:
        """Return how many requests no host has got."""
        return sum(count for status, count in self.counts.items() if status in UNSENT)


class DeploymentPages:
    """All queries; every method may raise `StoreError`: the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, person: Person, *, offset: int = 0, limit: int = PAGE) -> tuple[tuple[Listed, ...], int]:
        """Return some deployments, the latest first, each with the counts of its requests, and how many there are."""
        return self._database.read(lambda connection: _list(connection, person, offset, limit))

    def show(
        self,
        deployment: str,
        person: Person,
        *,
        status: RequestStatus | None = None,
        after: int = -1,
        limit: int | None = REQUESTS_OF_A_PAGE,
    ) -> DeploymentView | None:
        """Return one deployment; None: it is unknown, or has no host in the scope.

        `status` limits the requests, `after` is the position before the first one; without `limit`: all.
        """
        return self._database.read(lambda connection: _show(connection, deployment, person, status, after, limit))

    def requests_in_scope(self, deployment: str, person: Person) -> tuple[str, ...]:
        """Return the ids of the requests that have not ended, of the hosts in the scope."""
        wanted = sa.select(REQUESTS.c.id).where(
            REQUESTS.c.deployment == deployment,
            REQUESTS.c.ended_at.is_(None),
            in_scope(REQUESTS.c.host_id, person.scope),
        )
        return tuple(self._database.read(lambda connection: connection.execute(wanted).scalars().all()))


def _list(connection: Connection, person: Person, offset: int, limit: int) -> tuple[tuple[Listed, ...], int]:
    visible = sa.true() if person.scope.is_whole else DEPLOYMENTS.c.id.in_(deployments_in(person.scope))
    total = connection.execute(sa.select(sa.func.count()).select_from(DEPLOYMENTS).where(visible)).scalar() or 0
    wanted = (
        sa.select(DEPLOYMENTS)
        .where(visible)
        .order_by(DEPLOYMENTS.c.created_at.desc(), DEPLOYMENTS.c.id)
        .offset(offset)
        .limit(limit)
    )
    records = [_seen(deployment_record(row), person) for row in connection.execute(wanted)]
    counts = _counts(connection, [record.id for record in records], person)
    return tuple((record, counts[record.id]) for record in records), total


def _counts(connection: Connection, ids: Sequence[str], person: Person) -> dict[str, dict[RequestStatus, int]]:
    found: dict[str, dict[RequestStatus, int]] = defaultdict(dict)
    if ids:
        wanted = (
            sa.select(REQUESTS.c.deployment, REQUESTS.c.status, sa.func.count().label("requests"))
            .where(REQUESTS.c.deployment.in_(ids), in_scope(REQUESTS.c.host_id, person.scope))
            .group_by(REQUESTS.c.deployment, REQUESTS.c.status)
        )
        for row in connection.execute(wanted):
            found[row.deployment][RequestStatus(row.status)] = row.requests
    return found


def _show(
    connection: Connection, deployment: str, person: Person, status: RequestStatus | None, after: int, limit: int | None
) -> DeploymentView | None:
    row = connection.execute(sa.select(DEPLOYMENTS).where(DEPLOYMENTS.c.id == deployment)).first()
    counts = _counts(connection, [deployment], person)[deployment]
    if row is None or not counts:
        return None
    rows = _requests(connection, deployment, person, status, after, limit)
    page = rows if limit is None else rows[:limit]
    every = connection.execute(sa.select(sa.func.count()).where(REQUESTS.c.deployment == deployment)).scalar() or 0
    record = _seen(deployment_record(row), person)
    recorded = len(record.left_out or ())
    return DeploymentView(
        record=replace(record, left_out=_left_out(connection, record, person)),
        counts=counts,
        requests=[request_record(one) for one in page],
        names={one.host_id: one.name for one in page if one.name is not None},
        actions=_actions(connection, record, person),
        next_position=page[-1].position if len(rows) > len(page) else None,
        is_whole=every == sum(counts.values()),
        more_left_out=recorded == MAX_LEFT_OUT,
    )


def _requests(
    connection: Connection, deployment: str, person: Person, status: RequestStatus | None, after: int, limit: int | None
) -> Sequence[Any]:
    wanted = (
        sa.select(REQUESTS, HOSTS.c.name)
        .select_from(REQUESTS.outerjoin(HOSTS, HOSTS.c.host_id == REQUESTS.c.host_id))
        .where(
            REQUESTS.c.deployment == deployment, REQUESTS.c.position > after, in_scope(REQUESTS.c.host_id, person.scope)
        )
        .order_by(REQUESTS.c.position)
    )
    if status is not None:
        wanted = wanted.where(REQUESTS.c.status == status.value)
    return list(connection.execute(wanted if limit is None else wanted.limit(limit + 1)))


def _seen(record: DeploymentRecord, person: Person) -> DeploymentRecord:
    """Return a record without what concerns hosts outside of the scope: the tags and names that chose them."""
    return record if _may_know(record, person) else replace(record, selection=None)


def _may_know(record: DeploymentRecord, person: Person) -> bool:
    return person.scope.is_whole or is_of(record, person)


def _left_out(connection: Connection, record: DeploymentRecord, person: Person) -> Any:
    if record.left_out is None or person.scope.is_whole:
        return record.left_out
    names = [one.host_id for one in record.left_out]
    wanted = sa.select(HOSTS.c.host_id).where(HOSTS.c.host_id.in_(names), in_scope(HOSTS.c.host_id, person.scope))
    visible = set(connection.execute(wanted).scalars()) if names else set()
    # Who made it has named those that are no host in the scope, and nobody learns whether they are one elsewhere.
    own = {LeftOut.UNKNOWN.value} if is_of(record, person) else set()
    return tuple(one for one in record.left_out if one.host_id in visible or one.why in own)


def _actions(connection: Connection, record: DeploymentRecord, person: Person) -> list[ActionRecord]:
    """Return what was done; without what concerns other hosts, whose number is in the details."""
    wanted = (
        sa.select(REQUEST_ACTIONS, REQUESTS.c.host_id)
        .select_from(REQUEST_ACTIONS.outerjoin(REQUESTS, REQUESTS.c.id == REQUEST_ACTIONS.c.request))
        .where(REQUEST_ACTIONS.c.deployment == record.id)
        .order_by(REQUEST_ACTIONS.c.id)
    )
    if not person.scope.is_whole:
        visible = in_scope(REQUESTS.c.host_id, person.scope)
        wanted = wanted.where(sa.or_(REQUEST_ACTIONS.c.request.is_(None), visible))
    actions = [action_record(row) for row in connection.execute(wanted)]
    return actions if _may_know(record, person) else [replace(one, detail="") for one in actions]


def is_of(record: DeploymentRecord, person: Person) -> bool:
    """Return whether a person has made a deployment."""
    return record.requested_by == person.name[:_MAX_NAME]


def may_resume(view: DeploymentView, person: Person) -> bool:
    """Return whether a person may resume a deployment, which starts its reboots again; to cancel needs less."""
    verbs = [step.verb for step in view.record.all_steps]
    reboots = any(step.arguments.get("reboot") for step in view.record.all_steps) or "reboot-if-required" in verbs
    return person.may(Right.DEPLOY) and (not reboots or person.may(Right.REBOOT))
