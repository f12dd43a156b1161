"""Pages of the list of hosts, and all hosts of a query."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.fleet_model import HostPage, HostRow
from endpoint.core.host_columns import NO_FIX_S
from endpoint.core.host_query import Cursor, HostQuery, HostSort
from endpoint.core.host_states import FleetSettings, HostFacts, HostFlags, host_states
from endpoint.core.host_tags import TagSource
from endpoint.core.people import Scope
from endpoint.errors import RefusedError
from endpoint.store.host_conditions import Condition, Selection, StateConditions, member_count, select_hosts
from endpoint.store.host_tables import HOSTS, known_count
from endpoint.store.tables import HOST_TAGS, STATES, STREAMS

_ALL = HOSTS.outerjoin(STREAMS, STREAMS.c.id == HOSTS.c.stream)
"""An outer join, so that SQLite goes through the hosts in their order."""
_SORTS: Mapping[HostSort, Any] = {
    HostSort.NAME: HOSTS.c.sort_name,
    HostSort.SEEN: STREAMS.c.last_seen_at,
    HostSort.PENDING: HOSTS.c.pending_count,
    HostSort.HELD: HOSTS.c.held_count,
    HostSort.EXPOSED: HOSTS.c.exposed_since,
    HostSort.RELEASE: sa.func.coalesce(HOSTS.c.release, ""),
    HostSort.VERSION: HOSTS.c.agent_version,
}
_TEXT_SORTS = frozenset({HostSort.NAME, HostSort.RELEASE, HostSort.VERSION})
_INDEXED_SORTS = frozenset({HostSort.NAME, HostSort.PENDING, HostSort.EXPOSED, HostSort.VERSION})
_COLUMNS = (*HOSTS.columns, *(STREAMS.c[name] for name in ("last_seen_at", "takes_requests", "first_seen_at")),
            STATES.c.received_at)  # fmt: skip
_NAMES = tuple(column.name for column in _COLUMNS)
_STATES = _ALL.outerjoin(STATES, STATES.c.stream == HOSTS.c.stream)
_ROWS = sa.select(*_COLUMNS).select_from(_STATES).where(HOSTS.c.id.in_(sa.bindparam("ids", expanding=True)))
Columns = Mapping[str, Any]
"""A row of `_ROWS` by name: SQLAlchemy's own rows look names up slowly."""
_TAGS = sa.select(HOST_TAGS.c.host_id, HOST_TAGS.c.source, HOST_TAGS.c.tag).where(
    HOST_TAGS.c.host_id.in_(sa.bindparam("names", expanding=True))
)
_OTHERS = sa.select(STREAMS.c.host_id, STREAMS.c.id, STREAMS.c.last_seen_at).where(
    STREAMS.c.host_id.in_(sa.bindparam("names", expanding=True)), STREAMS.c.last_seen_at > sa.bindparam("since")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """For whom, and for when."""

    scope: Scope
    now_s: float
    settings: FleetSettings

    @property
    def states(self) -> StateConditions:
        """Return the conditions at this time."""
        return StateConditions.at(self.now_s, self.settings)


def selection_of(connection: Connection, query: HostQuery, view: View) -> Selection:
    """Return the hosts of a query as conditions, for its pages and their total."""
    return select_hosts(connection, query, view.scope, view.states)


def page_and_ids_of(
    connection: Connection, query: HostQuery, view: View, selection: Selection
) -> tuple[HostPage, list[int]]:
    """Return a page, and the number of each host on it in the tables; `connection` must be a snapshot.

    Raises:
        RefusedError: 400, the cursor belongs to another order.
    """
    found = _page_ids(connection, query, selection)
    more, back = len(found) > query.limit, query.cursor is not None and query.cursor.back
    found = found[: query.limit]
    if back:
        found.reverse()
    ids = [row.id for row in found]
    rows = rows_of(connection, ids, view)
    first, last = (Cursor(value=found[at].value, row=found[at].id) if found else None for at in (0, -1))
    page = HostPage(
        rows=tuple(rows),
        total=len(rows),
        as_of_s=view.now_s,
        next=last if more or back else None,
        previous=replace(first, back=True) if first and query.cursor is not None and (more or not back) else None,
    )
    return page, ids


def count_of(connection: Connection, query: HostQuery, view: View, selection: Selection) -> int:
    """Return how many hosts a query finds."""
    alone = member_count(connection, query, view.scope, view.states)
    if alone is not None:
        return alone
    counted = sa.select(sa.func.count()).select_from(_ALL if selection.needs_streams else HOSTS)
    return connection.execute(counted.where(*selection.conditions)).scalar() or 0


def ids_of(connection: Connection, query: HostQuery, view: View) -> list[int]:
    """Return the number of each host of a query in the tables, in its order and whatever its page."""
    selection = selection_of(connection, query, view)
    return list(connection.execute(_in_order(query, selection, backward=query.descending)).scalars())


def rows_of(connection: Connection, ids: Sequence[int], view: View) -> list[HostRow]:
    """Return these hosts, in this order."""
    if not ids:
        return []
    found = {row[0]: dict(zip(_NAMES, row, strict=True)) for row in connection.execute(_ROWS, {"ids": list(ids)}).all()}
    rows = [found[number] for number in ids if number in found]
    tags = _tags(connection, [row["host_id"] for row in rows])
    agents = _agents(connection, rows, view)
    return [_host_row(row, tags[row["host_id"]], agents.get(row["host_id"], 1), view) for row in rows]


def ids_in_scope(connection: Connection, wanted: Condition, view: View) -> list[int]:
    """Return the rows of hosts for which a condition holds."""
    conditions = selection_of(connection, HostQuery(), view).conditions
    return list(connection.execute(sa.select(HOSTS.c.id).where(wanted, *conditions)).scalars())


def _page_ids(connection: Connection, query: HostQuery, selection: Selection) -> list[Any]:
    by, cursor = _SORTS[query.sort], query.cursor
    backward = query.descending != (cursor is not None and cursor.back)
    page = _in_order(query, selection, backward=backward).limit(query.limit + 1)
    if cursor is not None:
        if isinstance(cursor.value, str) != (query.sort in _TEXT_SORTS):
            raise RefusedError(400, "after, before: from a link of a list in another order")
        place = sa.tuple_(sa.literal(cursor.value, by.type), sa.literal(cursor.row))
        row = sa.tuple_(by, HOSTS.c.id)
        page = page.where(row < place if backward else row > place)
    return list(connection.execute(page).all())


def _in_order(query: HostQuery, selection: Selection, *, backward: bool) -> Any:
    """Return the query of all hosts of a selection: their numbers, and the values by which they are sorted."""
    by = _SORTS[query.sort]
    wanted = selection.walked if query.sort in _INDEXED_SORTS else selection.conditions
    order = (by.desc(), HOSTS.c.id.desc()) if backward else (by, HOSTS.c.id)
    joined = query.sort is HostSort.SEEN or selection.needs_streams
    rows = sa.select(HOSTS.c.id, by.label("value")).select_from(_ALL if joined else HOSTS)
    return rows.where(*wanted).order_by(*order)


def _tags(connection: Connection, names: list[str]) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for host, source, tag in connection.execute(_TAGS, {"names": names}).all():
        found[host][source].append(tag)
    return found


def _agents(connection: Connection, rows: Iterable[Columns], view: View) -> dict[str, int]:
    """Return how many machines report under each id that is shared."""
    heard_since = view.now_s - view.settings.silent_after.total_seconds()
    shared = {row["host_id"]: row for row in rows if (row["other_seen_at"] or 0.0) > heard_since}
    counts = dict.fromkeys(shared, 1)
    if shared:
        for other in connection.execute(_OTHERS, {"names": list(shared), "since": heard_since}):
            row = shared[other.host_id]
            counts[other.host_id] += other.id != row["stream"] and other.last_seen_at > row["first_seen_at"]
    return counts


def _host_row(row: Columns, tags: Mapping[str, list[str]], agents: int, view: View) -> HostRow:
    known = {name: row[name] for name in _SAME}
    return HostRow(
        **known,
        states=host_states(_facts(row), view.now_s, view.settings),
        tags=tuple(sorted(tags.get(TagSource.ENDPOINT.value, ()))),
        agent_tags=tuple(sorted(tags.get(TagSource.AGENT.value, ()))),
        agents=agents,
        last_seen_s=row["last_seen_at"],
        reported_s=row["received_at"],
        health=row["health"] if agents == 1 else None,
        lists_good_s=row["lists_good_at"],
        pending=known_count(row["pending_count"]),
        held=known_count(row["held_count"]),
        requests_allow=None if row["requests_allow"] is None else tuple(row["requests_allow"].split()),
        exposed_since_s=row["exposed_since"] if row["exposed_since"] < NO_FIX_S else None,
    )


_SAME = (
    *("host_id", "name", "agent_version", "architecture", "release", "codename", "release_support", "release_until"),
    *("lists_state", "reboot_required", "reboot_since", "reboot_packages", "kernel_running", "kernel_outdated"),
    *("last_result", "last_run_at", "docker_version", "weave_version", "lock_group", "automatic", "patcher"),
    *("takes_requests", "plan_id", "requests_signed", "inactive_fixes"),
)
"""Members of `HostRow` that are columns."""


def _facts(row: Columns) -> HostFacts:
    return HostFacts(
        flags=HostFlags(
            attention=row["is_attention"],
            pending=row["is_pending"],
            held=row["is_held"],
            reboot=row["is_reboot"],
            restart=row["is_restart"],
            unfinished=row["is_unfinished"],
            unknown=row["is_unknown"],
        ),
        last_seen_s=row["last_seen_at"],
        other_seen_s=row["other_seen_at"],
        lists_good_s=row["lists_good_at"],
        ended_s=row["ended_at"],
    )
