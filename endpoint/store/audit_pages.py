"""What people and the endpoint itself did, latest first, each joined to what came of its requests.

Actions on deployments are in `request_actions`, all others in `audit`; what people do to a deployment is in both, as
`audit` also has where it came from, and is shown once. `request_actions` are kept when entries of `audit` are deleted.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.people import Person
from endpoint.store.audit import deployments_in, visible_entries
from endpoint.store.database import Database
from endpoint.store.people_tables import AUDIT
from endpoint.store.scopes import in_scope
from endpoint.store.tables import REQUEST_ACTIONS, REQUESTS

PAGE = 100
_SAME_S = 10.0
"""An action on a deployment is noted in both tables within this time."""
_MOST_REQUESTS = 20
"""Requests of one deployment that are listed one by one."""
_MAX_NAME = 64
_PREFIX = "deployment-"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries are shown."""

    person: str | None = None
    action: str | None = None
    host_id: str | None = None
    deployment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRequest:
    """A request that came of an action."""

    id: str
    host_id: str
    status: str
    why: str | None
    run: str | None


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class AuditCursor:
    """The place of an entry, and where a page begins: after it."""

    at_s: float
    source: int
    id: int

    @classmethod
    def parse(cls, text: str) -> "AuditCursor | None":
        """Read a cursor of an address; None: it is none."""
        try:
            at, source, number = text.split("~")
            return cls(at_s=float.fromhex(at), source=int(source), id=int(number[:12]))
        except (ValueError, OverflowError):
            return None

    def __str__(self) -> str:
        return f"{self.at_s.hex()}~{self.source}~{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One entry."""

    place: AuditCursor
    person: str | None
    """None: the endpoint itself."""
    action: str
    subject: str
    detail: str
    host_id: str | None = None
    deployment: str | None = None
    request: str | None = None
    address: str | None = None
    is_origin_known: bool = True
    """Whether an entry without an address is one of the endpoint's machine; else it is no longer recorded."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """The deployment's requests by status, as far as their hosts are in the scope."""
    requests: tuple[AuditRequest, ...] = ()
    """The same one by one, if they are few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditView:
    """A page of entries."""

    lines: tuple[AuditLine, ...]
    next: AuditCursor | None


class AuditPages:
    """The query."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, person: Person, chosen: AuditFilter, after: AuditCursor | None) -> AuditView:
        """Return a page of the entries that a person may see.

        Raises:
            StoreError: the database does not answer.
        """
        return self._database.read(lambda connection: _page(connection, person, chosen, after))


def _page(connection: Connection, person: Person, chosen: AuditFilter, after: AuditCursor | None) -> AuditView:
    found = [
        line for source in (_People(person), _Deployments(person)) for line in source.lines(connection, chosen, after)
    ]
    found.sort(key=lambda line: line.place, reverse=True)
    shown = found[:PAGE]
    return AuditView(lines=_joined(connection, shown, person), next=shown[-1].place if len(found) > PAGE else None)


class _Source:
    """One of the two tables."""

    number: int
    table: sa.Table

    def __init__(self, person: Person) -> None:
        self._person = person

    def lines(self, connection: Connection, chosen: AuditFilter, after: AuditCursor | None) -> list[AuditLine]:
        at, identity = self.table.c.at, self.table.c.id
        wanted = sa.select(self.table).where(*self.conditions(chosen))
        if after is not None:
            same = {-1: sa.true(), 0: identity < after.id, 1: sa.false()}[
                (self.number > after.source) - (self.number < after.source)
            ]
            wanted = wanted.where(sa.or_(at < after.at_s, sa.and_(at == after.at_s, same)))
        rows = connection.execute(wanted.order_by(at.desc(), identity.desc()).limit(PAGE + 1))
        return [self.line(row) for row in rows]

    def conditions(self, chosen: AuditFilter) -> list[Any]:
        raise NotImplementedError

    def line(self, row: Any) -> AuditLine:
        raise NotImplementedError

    def of_host(self, column: Any, chosen: AuditFilter) -> Any:
        """Return the query for a column of the requests of the chosen host, if that is in the scope."""
        return sa.select(column).where(
            REQUESTS.c.host_id == chosen.host_id, in_scope(REQUESTS.c.host_id, self._person.scope)
        )

    def place(self, row: Any) -> AuditCursor:
        return AuditCursor(at_s=row.at, source=self.number, id=row.id)


class _People(_Source):
    number, table = 1, AUDIT

    def conditions(self, chosen: AuditFilter) -> list[Any]:
        pairs = (
            (AUDIT.c.person, chosen.person), (AUDIT.c.action, chosen.action), (AUDIT.c.deployment, chosen.deployment),
        )  # fmt: skip
        found = [visible_entries(self._person), *(column == value for column, value in pairs if value is not None)]
        if chosen.host_id is not None:
            of_all = sa.and_(
                AUDIT.c.host_id.is_(None), AUDIT.c.deployment.in_(self.of_host(REQUESTS.c.deployment, chosen))
            )
            found.append(sa.or_(AUDIT.c.host_id == chosen.host_id, of_all))
        return found

    def line(self, row: Any) -> AuditLine:
        # Of somebody else's deployment with hosts outside of the scope, the detail has their number.
        hidden = not self._person.scope.is_whole and row.host_id is None and row.person != self._person.name[:_MAX_NAME]
        return AuditLine(
            place=self.place(row), person=row.person, action=row.action, subject=row.subject,
            detail="" if hidden else row.detail, host_id=row.host_id, deployment=row.deployment, address=row.address,
        )  # fmt: skip


class _Deployments(_Source):
    number, table = 0, REQUEST_ACTIONS

    def conditions(self, chosen: AuditFilter) -> list[Any]:
        actions = REQUEST_ACTIONS.c
        noted = sa.select(AUDIT.c.id).where(
            AUDIT.c.deployment == actions.deployment,
            AUDIT.c.action == sa.literal(_PREFIX) + actions.action,
            AUDIT.c.at.between(actions.at - _SAME_S, actions.at + _SAME_S),
        )
        found = [sa.not_(sa.exists(noted))]
        scope = self._person.scope
        if not scope.is_whole:
            own = sa.select(REQUESTS.c.id).where(in_scope(REQUESTS.c.host_id, scope))
            found.append(actions.deployment.in_(deployments_in(scope)))
            found.append(sa.or_(actions.request.is_(None), actions.request.in_(own)))
        if chosen.person is not None:
            found.append(actions.person == chosen.person)
        if chosen.action is not None:
            found.append(sa.literal(_PREFIX) + actions.action == chosen.action)
        if chosen.deployment is not None:
            found.append(actions.deployment == chosen.deployment)
        if chosen.host_id is not None:
            found.append(actions.deployment.in_(self.of_host(REQUESTS.c.deployment, chosen)))
            found.append(sa.or_(actions.request.is_(None), actions.request.in_(self.of_host(REQUESTS.c.id, chosen))))
        return found

    def line(self, row: Any) -> AuditLine:
        hidden = not self._person.scope.is_whole and row.person != self._person.name[:_MAX_NAME]
        return AuditLine(
            place=self.place(row), person=row.person, action=f"{_PREFIX}{row.action}", subject="",
            detail="" if hidden else row.detail, deployment=row.deployment, request=row.request,
            is_origin_known=row.person is None,
        )  # fmt: skip


def _joined(connection: Connection, lines: Sequence[AuditLine], person: Person) -> tuple[AuditLine, ...]:
    """Add what came of each deployment."""
    deployments = sorted({line.deployment for line in lines if line.deployment is not None})
    if not deployments:
        return tuple(lines)
    own = sa.and_(REQUESTS.c.deployment.in_(deployments), in_scope(REQUESTS.c.host_id, person.scope))
    counted = sa.select(REQUESTS.c.deployment, REQUESTS.c.status, sa.func.count().label("requests"))
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in connection.execute(counted.where(own).group_by(REQUESTS.c.deployment, REQUESTS.c.status)):
        counts[row.deployment][row.status] = row.requests
    few = [one for one in deployments if 0 < sum(counts[one].values()) <= _MOST_REQUESTS]
    requests: dict[str, list[AuditRequest]] = defaultdict(list)
    listed = sa.select(REQUESTS).where(own, REQUESTS.c.deployment.in_(few)).order_by(REQUESTS.c.position)
    for row in connection.execute(listed) if few else ():
        requests[row.deployment].append(
            AuditRequest(id=row.id, host_id=row.host_id, status=row.status, why=row.why, run=row.run)
        )
    return tuple(
        line
        if line.deployment is None
        else replace(line, counts=dict(counts[line.deployment]), requests=tuple(requests[line.deployment]))
        for line in lines
    )
