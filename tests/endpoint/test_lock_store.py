"""The tables and the decisions: any sequence of calls gives in a database what it gives in memory."""

import itertools
from datetime import datetime, timedelta, timezone

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from endpoint.core.locks import LockCall, LockOperation, LockStatus
from endpoint.store.database import Database
from endpoint.store.lock_queries import LockQueries
from endpoint.store.locks import LockStore
from tests.support.lock_table import LockTable

NOW = datetime(2026, 11, 23, 8, 10, tzinfo=timezone.utc)
CLIENTS = ("a", "b", "c", "d", "e")
HOSTS = {"d": "host-d", "e": "host-d"}
"""Two ids of one host."""
NUMBERS = itertools.count()
CALLS = st.lists(
    st.tuples(
        st.sampled_from([LockOperation.LOCK, LockOperation.LOCK, LockOperation.UNLOCK]),
        st.sampled_from(CLIENTS),
        st.sampled_from([-900, -120, 0, 1, 20, 120, 300, 500]),
    ),
    max_size=40,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=CALLS, slots=st.integers(0, 2))
def test_a_database_decides_as_memory_does(
    database: Database, calls: list[tuple[LockOperation, str, int]], slots: int
) -> None:
    group, now = f"group-{next(NUMBERS)}", NOW
    store, table = LockStore(database), LockTable(slots=slots, group=group)
    for operation, client, pause in calls:
        now += timedelta(seconds=pause)
        call = table.call(operation, client, host=HOSTS.get(client))

        found, expected = store.carry_out(call, now), table.carry_out(call, now.timestamp())

        assert found == expected
    held = {holder.client_id for one in LockQueries(database).locks(now).groups if one.name == group
            for holder in one.holders}  # fmt: skip
    assert held == set(table.holders)


def test_who_asked_under_a_clock_that_was_ahead_keeps_no_slot_from_anybody(database: Database) -> None:
    store, ahead = LockStore(database), NOW + timedelta(days=30)

    def ask(client: str, at: datetime, operation: LockOperation = LockOperation.LOCK) -> LockStatus:
        return store.carry_out(LockCall(operation=operation, group="default", client_id=client, slots=1), at).status

    ask("a", ahead)
    assert ask("gone", ahead) is LockStatus.FULL
    assert ask("returns", ahead) is LockStatus.FULL
    ask("a", NOW, LockOperation.UNLOCK)

    assert [one.waiting for one in LockQueries(database).locks(NOW).groups if one.name == "default"] == [()]
    assert ask("b", NOW) is LockStatus.GRANTED
    assert ask("returns", NOW) is LockStatus.FULL
    ask("b", NOW, LockOperation.UNLOCK)
    assert ask("c", NOW) is LockStatus.QUEUED
    assert ask("returns", NOW) is LockStatus.GRANTED


def test_a_slot_passes_a_client_that_asks_seldom(database: Database) -> None:
    store = LockStore(database)

    def ask(client: str, after_s: int, operation: LockOperation = LockOperation.LOCK) -> LockStatus:
        call = LockCall(operation=operation, group="default", client_id=client, slots=1)
        return store.carry_out(call, NOW + timedelta(seconds=after_s)).status

    for client, after_s in (("a", 0), ("seldom", 1), ("b", 2), ("seldom", 301)):
        ask(client, after_s)
    ask("a", 310, LockOperation.UNLOCK)

    assert ask("new", 311) is LockStatus.QUEUED
    assert ask("b", 312) is LockStatus.GRANTED
    ask("b", 320, LockOperation.UNLOCK)
    assert ask("new", 580) is LockStatus.QUEUED
    assert ask("seldom", 590) is LockStatus.GRANTED
