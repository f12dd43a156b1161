"""Writes the past of a demo's fleet, which no report brings: 90 days of exposure, deployments, the audit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.demo.deployments import DemoAction, DemoDeployment, DemoRequest
from endpoint.core.demo.history import Exposure, ExposureDay
from endpoint.core.deploy.new_deployment import NewRequest
from endpoint.core.deployments import ENDED, IN_FLIGHT, RequestStatus
from endpoint.core.host_fixes import FixRow, FixStage
from endpoint.store.audit import note_in
from endpoint.store.database import Database
from endpoint.store.deployments import DeploymentStore
from endpoint.store.host_parts import FixChanges, FixCounts
from endpoint.store.host_tables import EXPOSURE_DAYS, HOST_FIXES, HOSTS
from endpoint.store.host_values import fix_values
from endpoint.store.tables import DEPLOYMENTS, REQUESTS

_KNOWN = sa.select(HOST_FIXES.c.host, HOST_FIXES.c.cve, HOST_FIXES.c.package)


class DemoPast:
    """Fills the tables of a new database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counts = FixCounts(database)
        self._new_day = database.insert_new(EXPOSURE_DAYS)

    def exposures(self, found: Iterable[Exposure], days: Mapping[str, Sequence[ExposureDay]]) -> None:
        """Store fixes that were installed, and the figures of past days by tag; "": the whole fleet.

        Raises:
            StoreError: the database does not answer.
        """
        past = [one for one in found if one.installed_at is not None]
        self._database.write(lambda connection: self._exposures(connection, past, days))

    def deployments(self, deployments: Iterable[DemoDeployment], actions: Iterable[DemoAction]) -> None:
        """Store deployments as far as they have come, and what people did.

        Raises:
            StoreError: the database does not answer.
        """
        store = DeploymentStore(self._database)
        for one in deployments:
            requests = [
                NewRequest(id=request.id, host_id=request.host_id, form=request.form, signature=None)
                for request in one.requests
            ]
            store.create(one.record, requests)
        self._database.write(lambda connection: _advance(connection, deployments, actions))

    def _exposures(
        self, connection: Connection, past: Sequence[Exposure], days: Mapping[str, Sequence[ExposureDay]]
    ) -> None:
        numbers = {row.host_id: row.id for row in connection.execute(sa.select(HOSTS.c.id, HOSTS.c.host_id))}
        known = {tuple(row) for row in connection.execute(_KNOWN)}
        changes, rows = FixChanges(), []
        for one in past:
            host, fix = numbers[one.host.host_id], _fix(one)
            for key in ((cve, one.fix.package) for cve in one.fix.cves):
                if (host, *key) not in known:
                    changes.add(key, fix, 1)
                    rows.append(fix_values(host, key, fix))
        if rows:
            connection.execute(sa.insert(HOST_FIXES), rows)
        self._counts.write(connection, changes)
        figures = [{"tag": tag, **asdict(day)} for tag, of_tag in days.items() for day in of_tag]
        connection.execute(self._new_day, figures)


def _fix(one: Exposure) -> FixRow:
    return FixRow(
        stage=FixStage.ACTIVE if one.active_at is not None else FixStage.INSTALLED,
        pending_since=one.fix.published_at.timestamp(),
        installed_at=one.installed_at.timestamp() if one.installed_at is not None else None,
        active_at=one.active_at.timestamp() if one.active_at is not None else None,
    )


def _advance(connection: Connection, deployments: Iterable[DemoDeployment], actions: Iterable[DemoAction]) -> None:
    for one in deployments:
        for request in one.requests:
            _set_request(connection, request)
        statuses = [request.status for request in one.requests]
        counts = {
            "in_flight": sum(status in IN_FLIGHT for status in statuses),
            "failures": statuses.count(RequestStatus.FAILED),
        }
        connection.execute(sa.update(DEPLOYMENTS).where(DEPLOYMENTS.c.id == one.record.id).values(counts))
    for action in actions:
        note_in(
            connection, action.at, action.person, action.action, action.subject, action.detail,
            deployment=action.deployment,
        )  # fmt: skip


def _set_request(connection: Connection, request: DemoRequest) -> None:
    if request.status is RequestStatus.QUEUED:
        return
    ended = request.changed_s if request.status in ENDED else None
    has_failed = request.status is RequestStatus.FAILED
    values = {
        "status": request.status.value, "host_step": request.status.value, "changed_at": request.changed_s,
        "delivered_at": request.changed_s, "ended_at": ended, "why": "exit-1" if has_failed else None,
        "detail": "1 package failed: libcurl4: dpkg state: half-configured" if has_failed else None,
    }  # fmt: skip
    connection.execute(sa.update(REQUESTS).where(REQUESTS.c.id == request.id).values(values))
