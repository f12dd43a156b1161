"""The rules of `core.host_states` and the filters of `core.host_query` as SQL over `hosts` and `streams`."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.host_query import HostQuery
from endpoint.core.host_states import FleetSettings, HostState
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
_RARE = 50
"""One in so many: below it, a list starts from the filter's rows, above it from the hosts."""


class StateConditions:
    """The conditions at one time."""

    def __init__(self, now_s: float, settings: FleetSettings) -> None:
        self._heard_since = now_s - settings.silent_after.total_seconds()
        self._lists_since = now_s - settings.stale_lists_after.total_seconds()
        self._now = now_s

    @property
    def is_shared(self) -> Condition:
        """Return whether several machines report under the host's id."""
        return HOSTS.c.other_seen_at > self._heard_since

    @property
    def silent(self) -> Condition:
        """Return whether the host is silent; the only condition that needs `streams`."""
        return STREAMS.c.last_seen_at < self._heard_since

    @property
    def green(self) -> Condition:
        """Return whether the host is patched, unless it is silent."""
        not_shared = sa.or_(HOSTS.c.other_seen_at.is_(None), HOSTS.c.other_seen_at <= self._heard_since)
        supported = sa.or_(HOSTS.c.ended_at.is_(None), HOSTS.c.ended_at > self._now)
        fresh = HOSTS.c.lists_good_at >= self._lists_since
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


def filters(connection: Connection, query: HostQuery, scope: Scope, states: StateConditions) -> list[Condition]:
    """Return the conditions of a query."""
    found = in_scope(scope)
    if query.states:
        found.append(sa.or_(*map(states.of, query.states)))
    lists = ((HOSTS.c.lock_group, query.groups), (HOSTS.c.release, query.releases),
             (HOSTS.c.agent_version, query.versions), (HOSTS.c.host_id, query.host_ids))  # fmt: skip
    found += [column.in_(values) for column, values in lists if values]
    if query.text is not None:
        found.append(_named(query.text))
    hosts = None
    for rows, key, wanted in _members(query):
        if hosts is None:
            hosts = connection.execute(sa.select(sa.func.max(HOSTS.c.id))).scalar() or 0
        found.append(_member(connection, hosts, rows, key, wanted))
    return found


def _members(query: HostQuery) -> Sequence[tuple[sa.Column, sa.Column, Condition]]:
    members = []
    if query.tags:
        members.append((HOST_TAGS.c.host_id, HOSTS.c.host_id, HOST_TAGS.c.tag.in_(query.tags)))
    if query.package is not None:
        members.append((HOST_PACKAGES.c.host, HOSTS.c.id, HOST_PACKAGES.c.package == query.package))
    if query.cve is not None:
        wanted = sa.and_(HOST_FIXES.c.cve == query.cve, HOST_FIXES.c.stage.in_(_OPEN_STAGES))
        members.append((HOST_FIXES.c.host, HOSTS.c.id, wanted))
    return members


def _member(connection: Connection, hosts: int, rows: sa.Column, key: sa.Column, wanted: Condition) -> Condition:
    """Return the condition that a host has such a row, in the form that is fast for as many as there are.

    SQLite has no statistics: it would probe each host for a rare row, or sort all hosts for a frequent one.
    """
    few = sa.select(rows).where(wanted).limit(hosts // _RARE + 1).subquery()
    number = connection.execute(sa.select(sa.func.count()).select_from(few)).scalar() or 0
    if number <= hosts // _RARE:
        return key.in_(sa.select(rows).where(wanted))
    return sa.exists().where(rows == key, wanted)


def _named(text: str) -> Condition:
    escaped = text.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    named = HOSTS.c.sort_name.like(f"%{escaped}%", escape="\\")
    return sa.or_(named, HOSTS.c.host_id == text.lower())
