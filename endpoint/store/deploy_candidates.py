"""What is known of the hosts that an order selects: from their rows, and from their states where it needs more."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.deploy.facts import engines, plan_id, windows
from endpoint.core.deploy.order import DeployOrder
from endpoint.core.deploy.preview import Candidate
from endpoint.core.fleet_model import HostRow
from endpoint.core.host_query import HostQuery
from endpoint.core.host_states import HostState
from endpoint.core.people import Scope
from endpoint.errors import RefusedError
from endpoint.store.database import Database
from endpoint.store.fleet_pages import FleetPages
from endpoint.store.host_tables import HOST_FIXES, HOST_PACKAGES, HOSTS
from endpoint.store.tables import STATES

MAX_HOSTS = 10_000
"""In one deployment."""
_AT_ONCE = 500
"""Hosts in one query."""
_STATES = (
    sa.select(HOSTS.c.host_id, STATES.c.body)
    .select_from(HOSTS.join(STATES, STATES.c.stream == HOSTS.c.stream))
    .where(HOSTS.c.host_id.in_(sa.bindparam("hosts", expanding=True)))
)
_FOUND = ("pending", "held")


class DeployCandidates:
    """Finds the hosts of a selection."""

    def __init__(self, database: Database, pages: FleetPages) -> None:
        self._database = database
        self._pages = pages

    def find(self, order: DeployOrder, query: HostQuery, scope: Scope, now: datetime) -> tuple[Candidate, ...]:
        """Return the hosts of a query in the scope, by name.

        Raises:
            RefusedError: 400, there are too many.
            StoreError: the database does not answer.
        """
        rows = list(islice(self._pages.each_host(query, scope, now), MAX_HOSTS + 1))
        if len(rows) > MAX_HOSTS:
            raise RefusedError(400, f"more than {MAX_HOSTS} hosts are selected: narrow the selection")
        return tuple(one for part in _parts(rows) for one in self._candidates(order, part))

    def _candidates(self, order: DeployOrder, rows: Sequence[HostRow]) -> Iterator[Candidate]:
        names = [row.host_id for row in rows]

        def read(connection: Connection) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
            fixes = _fixes(connection, order.fixes, names) if order.fixes else {}
            needed = order.docker or order.weave or order.in_window
            states = {row.host_id: row.body for row in connection.execute(_STATES, {"hosts": names})} if needed else {}
            return fixes, states

        fixes, states = self._database.read(read)
        for row in rows:
            state = json.loads(states[row.host_id]) if row.host_id in states else {}
            yield _candidate(row, fixes.get(row.host_id, {}), state)


def _candidate(row: HostRow, fixes: Mapping[str, str], state: Mapping[str, Any]) -> Candidate:
    return Candidate(
        host_id=row.host_id,
        name=row.name,
        agents=row.agents,
        silent=HostState.SILENT in row.states,
        ended=HostState.ENDED in row.states,
        takes_requests=row.takes_requests,
        allow=None if row.requests_allow is None else frozenset(row.requests_allow),
        signed=row.requests_signed,
        windows=windows(state),
        plan_id=plan_id(row.plan_id),
        pending=row.pending,
        held=row.held,
        reboot_required=row.reboot_required,
        fixes=fixes,
        engines=engines(state),
    )


def _parts(rows: Sequence[HostRow]) -> Iterator[Sequence[HostRow]]:
    for first in range(0, len(rows), _AT_ONCE):
        yield rows[first : first + _AT_ONCE]


def _fixes(connection: Connection, names: Sequence[str], hosts: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return by host `pending` or `held` for each fix that it lacks; of several packages, a pending one counts."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    cves = [name for name in names if name.startswith("CVE-")]
    packages = {name: name.partition(":") for name in names if not name.startswith("CVE-")}
    for row in _rows(connection, HOST_FIXES, HOST_FIXES.c.cve, cves, hosts):
        _note(found[row.host_id], row.cve, row.stage)
    for row in _rows(connection, HOST_PACKAGES, HOST_PACKAGES.c.package, [one[0] for one in packages.values()], hosts):
        for name, (package, _, architecture) in packages.items():
            if package == row.package and architecture in ("", row.architecture):
                _note(found[row.host_id], name, row.stage)
    return found


def _rows(connection: Connection, table: Any, column: Any, names: Sequence[str], hosts: Sequence[str]) -> Sequence[Any]:
    if not names:
        return ()
    wanted = (
        sa.select(HOSTS.c.host_id, *table.columns)
        .select_from(table.join(HOSTS, HOSTS.c.id == table.c.host))
        .where(column.in_(names), table.c.stage.in_(_FOUND), HOSTS.c.host_id.in_(hosts))
    )
    return list(connection.execute(wanted))


def _note(found: dict[str, str], name: str, stage: str) -> None:
    if found.get(name) != "pending":
        found[name] = stage
