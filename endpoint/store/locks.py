"""Carries out lock calls: reads what the group has, lets `core.lock_decisions` decide, and writes, in one transaction.

Calls that arrive together are committed together, at most one of each group: the second depends on the first.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.lock_decisions import LockDecision, LockView, decide
from endpoint.core.locks import Holder, LockCall, LockResult, Waiter
from endpoint.store import lock_statements as sql
from endpoint.store.database import Database
from endpoint.store.group_commit import GroupCommit
from endpoint.store.tables import LOCK_GROUPS

_Arrived = tuple[LockCall, float]
"""A call, and when it arrived in Unix seconds."""


class LockStore:
    """Takes and gives back slots; what it returns is durable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._new_group = database.insert_new(LOCK_GROUPS)
        self._known: set[str] = set()
        self._commits: GroupCommit[_Arrived, LockResult] = GroupCommit(self._commit, lambda arrived: arrived[0].group)

    def carry_out(self, call: LockCall, now: datetime) -> LockResult:
        """Take or give back a slot. Both may be repeated: a client that holds a slot gets no second one.

        Raises:
            StoreError: the database does not answer. The call may have been carried out.
        """
        return self._commits.submit((call, now.timestamp()))

    def knows(self, group: str) -> bool:
        """Return whether a group was ever used, though it may no longer be configured.

        Raises:
            StoreError: the database does not answer.
        """
        wanted = sa.select(LOCK_GROUPS.c.name).where(LOCK_GROUPS.c.name == group)
        return self._database.read(lambda connection: connection.execute(wanted).first()) is not None

    def _commit(self, arrived: Sequence[_Arrived]) -> list[LockResult]:
        results = self._database.write(partial(self._carry_out, arrived=arrived))
        self._known.update(call.group for call, _ in arrived)
        return results

    def _carry_out(self, connection: Connection, *, arrived: Sequence[_Arrived]) -> list[LockResult]:
        names = sorted(call.group for call, _ in arrived)
        self._add_groups(connection, names)
        changes = _Changes()
        results = []
        for view in _views(connection, names, arrived):
            decision = decide(view)
            changes.add(view, decision)
            results.append(decision.result)
        changes.run(connection)
        return results

    def _add_groups(self, connection: Connection, names: Iterable[str]) -> None:
        for name in names:
            if name not in self._known:
                connection.execute(self._new_group, {"name": name, "next_ticket": 1, "mean_hold_s": None})


def _views(connection: Connection, names: list[str], arrived: Sequence[_Arrived]) -> Iterator[LockView]:
    groups = {row.name: row for row in connection.execute(sql.LOCKED_GROUPS, {"names": names})}
    holders: dict[str, list[Holder]] = defaultdict(list)
    for row in connection.execute(sql.HOLDERS, {"names": names}):
        holders[row.group_name].append(holder_of(row))
    now_s = max(at for _, at in arrived)
    clients = [(call.group, call.client_id) for call, _ in arrived]
    places = {
        (row.group_name, row.client_id): row
        for row in connection.execute(sql.PLACES, {"clients": clients, "now": now_s})
    }
    others = [name for name, client in clients if (name, client) not in places]
    waiting = {}
    if others:
        rows = connection.execute(sql.QUEUE_LENGTHS, {"names": others, "now": now_s})
        waiting = {row.group_name: row.waiting for row in rows}
    for call, _ in arrived:
        place = places.get((call.group, call.client_id))
        view = LockView(
            call=call,
            now_s=now_s,
            next_ticket=groups[call.group].next_ticket,
            mean_hold_s=groups[call.group].mean_hold_s,
            holders=tuple(holders[call.group]),
            waiter=_waiter(place) if place is not None else None,
            ahead=place.ahead if place is not None else waiting.get(call.group, 0),
        )
        yield replace(view, first=_first(connection, view)) if view.is_near else view


def _first(connection: Connection, view: LockView) -> tuple[Waiter, ...]:
    """Return the head of the queue: few, and only where a slot is free."""
    rows = connection.execute(sql.FIRST, {"of": view.call.group, "now": view.now_s, "most": view.free})
    return tuple(_waiter(row) for row in rows)


class _Changes:
    """Statements with their values; the same ones are sent together, in the order of their first use."""

    def __init__(self) -> None:
        self._values: dict[Any, list[dict[str, object]]] = {}

    def run(self, connection: Connection) -> None:
        for statement, values in self._values.items():
            connection.execute(statement, values)

    def add(self, view: LockView, decision: LockDecision) -> None:
        """Add what a decision changes."""
        group, client = view.call.group, view.call.client_id
        if decision.give_back is not None:
            self._add(sql.GIVE_BACK, of=group, client=decision.give_back.client_id)
        if decision.mean_hold_s is not None:
            self._add(sql.NEW_MEAN, of=group, mean=decision.mean_hold_s)
        for waiter in decision.passed:
            self._add(sql.PASS, of=group, place=waiter.ticket)
        if decision.leave:
            self._add(sql.LEAVE, of=group, client=client)
        if decision.hold is not None:
            self._hold(decision.hold, view.own)
        if decision.queue is not None:
            self._queue(view, decision.queue)

    def _add(self, statement: Any, **values: object) -> None:
        self._values.setdefault(statement, []).append(values)

    def _hold(self, held: Holder, own: Holder | None) -> None:
        values = {
            "client_id": held.client_id, "host_id": held.host_id, "last_asked_at": held.last_asked_s,
            "reason": held.reason, "address": held.address,
        }  # fmt: skip
        if own is None:
            self._add(sql.TAKE, group_name=held.group, since=held.since_s, **values)
        else:
            renewed = {f"new_{name}": value for name, value in values.items()}
            self._add(sql.RENEW, of=held.group, client=own.client_id, **renewed)

    def _queue(self, view: LockView, place: Waiter) -> None:
        group, client = view.call.group, view.call.client_id
        values = {
            "host_id": place.host_id, "asked_at": place.asked_s, "hint_s": place.hint_s, "late_s": place.late_s,
            "expires_at": place.expires_s,
        }  # fmt: skip
        if view.waiter is not None:
            renewed = {f"new_{name}": value for name, value in values.items()}
            self._add(sql.ASK_AGAIN, of=group, client=client, **renewed)
            return
        self._add(sql.CLEAN_UP, of=group, now=view.now_s, host=view.call.host_id)
        self._add(
            sql.QUEUE, group_name=group, client_id=client, ticket=place.ticket, since=place.since_s, passed=0, **values
        )
        self._add(sql.NEXT_TICKET, of=group)


def holder_of(row: Any) -> Holder:
    """Return the holder in a row."""
    return Holder(
        group=row.group_name,
        client_id=row.client_id,
        host_id=row.host_id,
        since_s=row.since,
        last_asked_s=row.last_asked_at,
        reason=row.reason,
        address=row.address,
    )


def _waiter(row: Any) -> Waiter:
    return Waiter(
        ticket=row.ticket,
        since_s=row.since,
        asked_s=row.asked_at,
        hint_s=row.hint_s,
        late_s=row.late_s,
        host_id=row.host_id,
        passed=row.passed,
    )
