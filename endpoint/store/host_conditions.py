"""The rules of `core.host_states` and the filters of `core.host_query` as SQL over `hosts` and `streams`."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.host_columns import NO_FIX_S
from endpoint.core.host_id import UUID
from endpoint.core.host_query import HostQuery
from endpoint.core.host_states import FleetSettings, HostState
from endpoint.core.host_tags import TagSource
from endpoint.core.people import Scope
from endpoint.store import scopes
from endpoint.store.host_tables import HOST_FIXES, HOST_PACKAGES, HOSTS
from endpoint.store.key_texts import among, read_keys
from endpoint.store.tables import HOST_TAGS, STREAMS, seen_slot

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
IS_EXPOSED: Condition = HOSTS.c.exposed_since < NO_FIX_S
"""Whether the host is on the exposure clock."""
_OPEN_STAGES = ("pending", "held", "installed")
_FEW = 8
"""One in so many hosts are few to PostgreSQL: their rows are read sooner than a whole index of hosts."""
_NO_INDEX = sa.sql.operators.custom_op("+")
"""https://sqlite.org/optoverview.html: a unary plus disqualifies a term from an index."""


def state_times(now_s: float, settings: FleetSettings) -> dict[str, float]:
    """Return the times that decide the states of hosts at a time."""
    since, until = (now_s + sign * settings.silent_after.total_seconds() for sign in (-1, 1))
    return {
        "heard_since": since,
        "heard_until": until,
        "since_slot": seen_slot(since),
        "until_slot": seen_slot(until),
        "lists_since": now_s - settings.stale_lists_after.total_seconds(),
        "now": now_s,
    }


class StateConditions:
    """The conditions at one time."""

    def __init__(self, times: Mapping[str, Condition]) -> None:
        self._heard_since = times["heard_since"]
        self._heard_until = times["heard_until"]
        self._since_slot = times["since_slot"]
        self._until_slot = times["until_slot"]
        self._lists_since = times["lists_since"]
        self._now = times["now"]

    @classmethod
    def at(cls, now_s: float, settings: FleetSettings) -> "StateConditions":
        """Return the conditions at a time."""
        return cls(state_times(now_s, settings))

    @classmethod
    def any_time(cls) -> "StateConditions":
        """Return the conditions with `state_times` as parameters, for a statement that is built once."""
        times = {
            name: sa.bindparam(name, type_=sa.Float) for name in ("heard_since", "heard_until", "lists_since", "now")
        }
        slots = {name: sa.bindparam(name, type_=sa.Integer) for name in ("since_slot", "until_slot")}
        return cls({**times, **slots})

    @property
    def is_shared(self) -> Condition:
        """Return whether several machines report under the host's id."""
        return HOSTS.c.other_seen_at > self._heard_since

    @property
    def silent(self) -> Condition:
        """Return whether the host is silent; the only condition that needs `streams`."""
        return sa.or_(STREAMS.c.last_seen_at < self._heard_since, STREAMS.c.last_seen_at > self._heard_until)

    @property
    def silent_rows(self) -> tuple[Condition, Condition]:
        """Return `silent` for queries that start from `streams`, in two parts: each has one index, and no host both."""
        past = sa.and_(STREAMS.c.last_seen_slot <= self._since_slot, STREAMS.c.last_seen_at < self._heard_since)
        future = sa.and_(STREAMS.c.last_seen_slot >= self._until_slot, STREAMS.c.last_seen_at > self._heard_until)
        return past, future

    @property
    def green(self) -> Condition:
        """Return whether the host is patched, unless it is silent; SQLite starts from the index of such hosts."""
        return sa.and_(HOSTS.c.is_green == sa.true(), self._lasting)

    @property
    def green_row(self) -> Condition:
        """Return `green` for rows that something else finds."""
        return sa.and_(sa.func.coalesce(HOSTS.c.is_green, sa.false()) == sa.true(), self._lasting)

    @property
    def _lasting(self) -> Condition:
        # No comparison of a bare column, so that SQLite takes the index of green hosts, which has all of them.
        not_shared = sa.func.coalesce(HOSTS.c.other_seen_at, sa.literal_column("0")) <= self._heard_since
        supported = sa.func.coalesce(HOSTS.c.ended_at, sa.literal_column("1e15")) > self._now
        fresh = sa.func.coalesce(HOSTS.c.lists_good_at, sa.literal_column("-1")) >= self._lists_since
        return sa.and_(not_shared, supported, fresh)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The filters of a query, each in the form for the number of hosts that it finds.

    SQLite has no statistics: for a rare value it would look at every host, in order, and for a frequent one it would
    sort all that have it. Hence the rows of each filter are counted, up to a limit: a rare one becomes a list of keys,
    and a frequent one is checked host by host, until the page is full.
    """

    conditions: Sequence[Condition]
    """For counts, and for rows in an order that has no index."""
    walked: Sequence[Condition]
    """For rows in an order that has an index."""
    needs_streams: bool
    """Whether the conditions are those of `hosts` joined with `streams`."""


def select_hosts(connection: Connection, query: HostQuery, scope: Scope, states: StateConditions) -> Selection:
    """Count what each filter of a query finds."""
    found = list(_filters(query, scope, states))
    texts = _rare_keys(connection, found, query.limit)
    more: list[Condition] = []
    if query.host_ids:
        more.append(HOSTS.c.host_id.in_(query.host_ids))
    if query.text is not None:
        more.append(_named(query.text))
    frequent = [one for one, keys in zip(found, texts, strict=True) if keys is None]
    listed = [among(connection, one.key, keys) for one, keys in zip(found, texts, strict=True) if keys is not None]
    checked = [one.condition if one.checked is None else one.checked for one in frequent]
    conditions = [one.condition for one in frequent]
    return Selection(
        conditions=[*listed, *conditions, *more],
        walked=[*listed, *(checked if connection.dialect.name == "sqlite" else conditions), *more],
        needs_streams=any(map(_needs_streams, conditions)),
    )


def _needs_streams(condition: Condition) -> bool:
    return any(
        column.table is STREAMS for column in sa.sql.visitors.iterate(condition) if isinstance(column, sa.Column)
    )


def _rare_keys(connection: Connection, found: Sequence["_Filter"], limit: int) -> list[str | None]:
    """Return the keys of each filter for which sorting takes less than looking at hosts until a page is full."""
    if not found:
        return []
    highest = connection.execute(sa.select(sa.func.max(HOSTS.c.id))).scalar() or 0
    # PostgreSQL does not look host by host where it expects many, but joins all of them.
    few = highest // _FEW if connection.dialect.name == "postgresql" else math.isqrt(highest * limit)
    return read_keys(connection, [one.rows for one in found], few)


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
    yield from _update_filters(query)
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
                checked=_unindexed(column).in_(values),
            )


def _update_filters(query: HostQuery) -> Iterator[_Filter]:
    """Yield those by what a host lacks."""
    if query.package is not None:
        yield _member(HOST_PACKAGES.c.host, HOSTS.c.id, HOST_PACKAGES.c.package == query.package)
    if query.cve is not None:
        inactive = sa.and_(HOST_FIXES.c.cve == query.cve, HOST_FIXES.c.stage.in_(_OPEN_STAGES))
        yield _member(HOST_FIXES.c.host, HOSTS.c.id, inactive)
    if query.exposed:
        yield _Filter(
            condition=IS_EXPOSED,
            rows=sa.select(HOSTS.c.id).where(IS_EXPOSED),
            checked=_unindexed(HOSTS.c.exposed_since) < NO_FIX_S,
        )


def _unindexed(column: sa.Column) -> Condition:
    return sa.sql.expression.UnaryExpression(column, operator=_NO_INDEX)


def _member(rows: sa.Column, key: sa.Column, wanted: Condition) -> _Filter:
    """Return the filter of hosts that have such a row in another table."""
    return _Filter(condition=sa.exists().where(rows == key, wanted), rows=sa.select(rows).where(wanted), key=key)


def _rows_in(states: StateConditions, state: HostState) -> list[Any]:
    """Return queries of the hosts in a state, each by one index."""
    if (flag := states.flag(state)) is not None:
        conditions = [flag, states.is_shared] if states.includes_shared(state) else [flag]
        return [sa.select(HOSTS.c.id).where(condition) for condition in conditions]
    rows, same = sa.select(HOSTS.c.id), STREAMS.c.id == HOSTS.c.stream
    if state is HostState.SILENT:
        return [rows.select_from(STREAMS.join(HOSTS, same)).where(part) for part in states.silent_rows]
    source = HOSTS.outerjoin(STREAMS, same) if state is HostState.PATCHED else HOSTS
    return [rows.select_from(source).where(states.of(state))]


def _named(text: str) -> Condition:
    if UUID.fullmatch(text.lower()):
        return HOSTS.c.host_id == text.lower()
    escaped = text.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return HOSTS.c.sort_name.like(f"%{escaped}%", escape="\\")
