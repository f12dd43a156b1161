"""The rules of `core.host_states` and the filters of `core.host_query` as SQL over `hosts` and `streams`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.host_id import UUID
from endpoint.core.host_query import HostQuery
from endpoint.core.host_states import FleetSettings, HostState
from endpoint.core.host_tags import TagSource
from endpoint.core.people import Scope
from endpoint.store import scopes
from endpoint.store.host_tables import HOST_FIXES, HOST_PACKAGES, HOSTS
from endpoint.store.tables import HOST_TAGS, STREAMS

Condition = Any
"""An expression of SQLAlchemy, which has no types of its own for them."""
_FLAGS = {
    HostState.ATTENTION: HOSTS.c.is_attention,
    HostState.PENDING: HOSTS.c.is_pending,
    HostState.HELD: HOSTS.c.is_held,
    HostState.REBOOT_REQUIRED: HOSTS.c.is_reboot,
    HostState.RESTART_PENDING: HOSTS.c.is_restart,
    HostState.UNFINISHED: HOSTS.c.is_unfinished,
    HostState.UNKNOWN: HOSTS.c.is_unknown,
}
_OPEN_STAGES = ("pending", "held", "installed")
_NO_INDEX = sa.sql.operators.custom_op("+")
"""https://sqlite.org/optoverview.html: a unary plus disqualifies a term from an index."""
_RARE = 50
"""One in so many: below it, a list starts from the filter's rows, above it from the hosts."""
_MOST_KEYS = 10_000
"""SQLite takes 32,766 values in a statement."""


def state_times(now_s: float, settings: FleetSettings) -> dict[str, float]:
    """Return the times that decide the states of hosts at a time."""
    return {
        "heard_since": now_s - settings.silent_after.total_seconds(),
        "heard_until": now_s + settings.silent_after.total_seconds(),
        "lists_since": now_s - settings.stale_lists_after.total_seconds(),
        "now": now_s,
    }


class StateConditions:
    """The conditions at one time."""

    def __init__(self, heard_since: Condition, heard_until: Condition, lists_since: Condition, now: Condition) -> None:
        self._heard_since = heard_since
        self._heard_until = heard_until
        self._lists_since = lists_since
        self._now = now

    @classmethod
    def at(cls, now_s: float, settings: FleetSettings) -> "StateConditions":
        """Return the conditions at a time."""
        return cls(**state_times(now_s, settings))

    @classmethod
    def any_time(cls) -> "StateConditions":
        """Return the conditions with `state_times` as parameters, for a statement that is built once."""
        return cls(
            *(sa.bindparam(name, type_=sa.Float) for name in ("heard_since", "heard_until", "lists_since", "now"))
        )

    @property
    def is_shared(self) -> Condition:
        """Return whether several machines report under the host's id."""
        return HOSTS.c.other_seen_at > self._heard_since

    @property
    def silent(self) -> Condition:
        """Return whether the host is silent; the only condition that needs `streams`."""
        return sa.or_(STREAMS.c.last_seen_at < self._heard_since, STREAMS.c.last_seen_at > self._heard_until)

    @property
    def green(self) -> Condition:
        """Return whether the host is patched, unless it is silent."""
        # No comparison of a bare column, so that SQLite takes the index of green hosts, which has all of them.
        not_shared = sa.func.coalesce(HOSTS.c.other_seen_at, sa.literal_column("0")) <= self._heard_since
        supported = sa.func.coalesce(HOSTS.c.ended_at, sa.literal_column("1e15")) > self._now
        fresh = sa.func.coalesce(HOSTS.c.lists_good_at, sa.literal_column("-1")) >= self._lists_since
        return sa.and_(HOSTS.c.is_green == sa.true(), not_shared, supported, fresh)

    def of(self, state: HostState) -> Condition:
        """Return the condition of a state."""
        if state is HostState.PATCHED:
            return sa.and_(self.green, sa.not_(self.silent))
        if state is HostState.SILENT:
            return self.silent
        if state is HostState.STALE_LISTS:
            return HOSTS.c.lists_good_at < self._lists_since
        if state is HostState.ENDED:
            return HOSTS.c.ended_at <= self._now
        flag = _FLAGS[state] == sa.true()
        return sa.or_(flag, self.is_shared) if self.includes_shared(state) else flag

    def flag(self, state: HostState) -> Condition | None:
        """Return the flag of a state, which has an index; None: it has none."""
        return _FLAGS[state] == sa.true() if state in _FLAGS else None

    def includes_shared(self, state: HostState) -> bool:
        """Return whether hosts whose id several machines share are in a state, beside those with its flag."""
        return state in {HostState.ATTENTION, HostState.UNKNOWN}


def in_scope(scope: Scope) -> list[Condition]:
    """Return the condition that a host is in a person's scope: by the endpoint's own tags only."""
    return [] if scope.is_whole else [scopes.in_scope(HOSTS.c.host_id, scope)]


def filters(
    connection: Connection, query: HostQuery, scope: Scope, states: StateConditions, *, walks_index: bool = False
) -> list[Condition]:
    """Return the conditions of a query; `walks_index`: for rows in an order that has an index.

    SQLite has no statistics: for a rare value it would look at every host, in order, and for a frequent one it would
    sort all that have it. Hence the keys of each filter are read, up to a limit: a rare one is replaced by them, and a
    frequent one is checked host by host, until the page is full.
    """
    found: list[Condition] = []
    highest = connection.execute(sa.select(sa.func.max(HOSTS.c.id))).scalar() or 0
    few = min(highest // _RARE, _MOST_KEYS)
    for one in _filters(query, scope, states):
        keys = connection.execute(one.rows.limit(few + 1)).scalars().all()
        if len(keys) <= few:
            found.append(one.key.in_(keys))
        elif walks_index and connection.dialect.name == "sqlite" and one.checked is not None:
            found.append(one.checked)
        else:
            found.append(one.condition)
    if query.host_ids:
        found.append(HOSTS.c.host_id.in_(query.host_ids))
    if query.text is not None:
        found.append(_named(query.text))
    return found


def member_count(connection: Connection, query: HostQuery, scope: Scope, states: StateConditions) -> int | None:
    """Return how many hosts have a package or fix, if the query asks nothing else; None: it does.

    The index of the package or fix answers this alone.
    """
    if query.text is not None or query.host_ids or (query.cve is None and query.package is None):
        return None
    found = list(_filters(query, scope, states))
    if len(found) != 1 or found[0].key is not HOSTS.c.id:
        return None
    rows = found[0].rows.distinct().subquery()
    return connection.execute(sa.select(sa.func.count()).select_from(rows)).scalar() or 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filter:
    """One filter in its two forms."""

    condition: Condition
    """For values that many hosts have."""
    rows: Any
    """A query of the keys of the hosts that have it."""
    key: Any = HOSTS.c.id
    checked: Condition | None = None
    """The condition in a form for which SQLite uses no index."""


def _filters(query: HostQuery, scope: Scope, states: StateConditions) -> Iterator[_Filter]:
    if scope.tags is not None:
        own = sa.and_(HOST_TAGS.c.tag.in_(sorted(scope.tags)), HOST_TAGS.c.source == TagSource.ENDPOINT.value)
        yield _member(HOST_TAGS.c.host_id, HOSTS.c.host_id, own)
    if query.tags:
        yield _member(HOST_TAGS.c.host_id, HOSTS.c.host_id, HOST_TAGS.c.tag.in_(query.tags))
    if query.package is not None:
        yield _member(HOST_PACKAGES.c.host, HOSTS.c.id, HOST_PACKAGES.c.package == query.package)
    if query.cve is not None:
        inactive = sa.and_(HOST_FIXES.c.cve == query.cve, HOST_FIXES.c.stage.in_(_OPEN_STAGES))
        yield _member(HOST_FIXES.c.host, HOSTS.c.id, inactive)
    if query.states:
        yield _Filter(
            condition=sa.or_(*map(states.of, query.states)),
            rows=sa.union_all(*(rows for state in query.states for rows in _rows_in(states, state))),
        )
    for column, values in (
        (HOSTS.c.lock_group, query.groups),
        (HOSTS.c.release, query.releases),
        (HOSTS.c.agent_version, query.versions),
    ):
        if values:
            yield _Filter(
                condition=column.in_(values),
                rows=sa.select(HOSTS.c.id).where(column.in_(values)),
                checked=sa.sql.expression.UnaryExpression(column, operator=_NO_INDEX).in_(values),
            )


def _member(rows: sa.Column, key: sa.Column, wanted: Condition) -> _Filter:
    """Return the filter of hosts that have such a row in another table."""
    return _Filter(condition=sa.exists().where(rows == key, wanted), rows=sa.select(rows).where(wanted), key=key)


def _rows_in(states: StateConditions, state: HostState) -> list[Any]:
    """Return queries of the hosts in a state, each by one index."""
    if (flag := states.flag(state)) is not None:
        conditions = [flag, states.is_shared] if states.includes_shared(state) else [flag]
        return [sa.select(HOSTS.c.id).where(condition) for condition in conditions]
    rows, same = sa.select(HOSTS.c.id).where(states.of(state)), STREAMS.c.id == HOSTS.c.stream
    if state is HostState.SILENT:
        return [rows.select_from(STREAMS.join(HOSTS, same))]
    return [rows.select_from(HOSTS.outerjoin(STREAMS, same) if state is HostState.PATCHED else HOSTS)]


def _named(text: str) -> Condition:
    if UUID.fullmatch(text.lower()):
        return HOSTS.c.host_id == text.lower()
    escaped = text.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return HOSTS.c.sort_name.like(f"%{escaped}%", escape="\\")
