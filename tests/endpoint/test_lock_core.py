"""Who gets a slot, in which order, and when a refused client is asked to return: in simulated time."""

from dataclasses import replace
from statistics import median

import pytest

from endpoint.core.locks import LockStatus, Waiter, is_client_id, is_group, mean_hold_after, retry_after_s
from tests.support.lock_table import Kind, LockTable, waits

GRANTED, HELD, FULL, QUEUED = LockStatus.GRANTED, LockStatus.ALREADY_HELD, LockStatus.FULL, LockStatus.QUEUED
REBOOT_S = 240.0
MAESTRO = Kind(interval=lambda number, hint: hint + number % 7 / 2, reboot_s=lambda _number: REBOOT_S)
BUSY = Kind(interval=lambda number, hint: max(90 + number % 60, hint), reboot_s=lambda _number: REBOOT_S)
"""A client whose own pause is longer than what it is asked for."""
ZINCATI = Kind(interval=lambda number, _hint: 300 + number % 31, reboot_s=lambda _number: REBOOT_S)
UNEVEN = Kind(
    interval=lambda number, hint: hint + number % 7 / 2, reboot_s=lambda number: REBOOT_S * (0.5 + number % 11 / 10)
)


def test_a_holder_that_asks_again_keeps_its_slot_and_gets_no_second_one() -> None:
    table = LockTable(slots=2)

    asked = [table.lock("a", 0).status, table.lock("a", 1).status, table.lock("b", 2).status, table.lock("c", 3).status]

    assert asked == [GRANTED, HELD, GRANTED, FULL]
    assert set(table.holders) == {"a", "b"}
    assert (table.holders["a"].since_s, table.holders["a"].last_asked_s) == (0, 1)


def test_releasing_what_is_not_held_succeeds() -> None:
    table = LockTable()
    table.lock("a", 0)

    assert table.unlock("b", 1).status is LockStatus.NOT_HELD
    assert table.unlock("a", 2).status is LockStatus.RELEASED
    assert table.unlock("a", 3).status is LockStatus.NOT_HELD
    assert table.holders == {}


def test_the_first_client_refused_is_the_first_served() -> None:
    table = LockTable()
    table.lock("a", 0)
    table.lock("b", 1)
    table.lock("c", 2)

    table.unlock("a", 10)

    assert table.lock("d", 11).status is QUEUED
    assert table.lock("c", 12).status is QUEUED
    assert table.lock("b", 13).status is GRANTED
    assert table.lock("c", 14).status is FULL
    table.unlock("b", 20)
    assert table.lock("d", 21).ahead == 1
    assert table.lock("c", 22).status is GRANTED


def test_giving_back_what_is_not_held_costs_no_place_in_the_queue() -> None:
    table = LockTable()
    table.lock("a", 0)
    table.lock("b", 1)
    table.lock("c", 2)

    table.unlock("b", 3)
    table.unlock("a", 4)

    assert table.lock("c", 5).status is QUEUED
    assert table.lock("b", 6).status is GRANTED


def test_a_slot_is_not_reserved_for_a_client_that_stopped_asking() -> None:
    table = LockTable()
    table.lock("a", 0)
    gone = table.lock("gone", 1)
    expires = table.waiters["gone"].expires_s
    table.waiters["gone"] = replace(table.waiters["gone"], passed=20)
    table.lock("b", 2)
    table.unlock("a", 3)

    assert expires == 1 + gone.retry_after_s + 360
    assert table.lock("b", expires - 1).status is QUEUED
    assert table.lock("b", expires).status is GRANTED


def test_a_client_that_lost_its_place_queues_at_the_end() -> None:
    table = LockTable()
    table.lock("a", 0)
    table.lock("gone", 1)
    late = table.waiters["gone"].expires_s + 1
    table.lock("b", late)

    assert table.lock("gone", late).ahead == 1
    assert table.waiters["gone"].ticket > table.waiters["b"].ticket


@pytest.mark.parametrize(
    ("late_s", "left_s"), [(None, 370.0), (0.0, 40.0), (290.0, 402.5)], ids=["new", "as-announced", "zincati"]
)
def test_a_place_is_kept_as_long_as_the_client_may_be_expected(late_s: float | None, left_s: float) -> None:
    waiter = Waiter(ticket=1, since_s=0, asked_s=100, hint_s=10, late_s=late_s)

    assert waiter.expires_s == 100 + left_s


def test_a_group_without_slots_grants_none_and_keeps_those_held() -> None:
    table = LockTable(slots=1)
    table.lock("a", 0)
    table.slots = 0

    assert table.lock("a", 1).status is HELD
    assert table.unlock("a", 2).status is LockStatus.RELEASED
    refused = table.lock("a", 3)
    assert (refused.status, refused.retry_after_s) == (FULL, 120)


def test_fewer_slots_than_holders_grant_nothing_until_enough_are_back() -> None:
    table = LockTable(slots=3)
    for client in "abc":
        table.lock(client, 0)
    table.slots = 1
    table.lock("d", 1)

    table.unlock("a", 2)
    table.unlock("b", 3)
    assert table.lock("d", 4).status is FULL
    table.unlock("c", 5)
    assert table.lock("d", 6).status is GRANTED


def test_one_host_holds_one_slot_whatever_id_it_uses() -> None:
    table = LockTable(slots=2)
    table.lock("old-id", 0, host="h1")

    assert table.lock("new-id", 1, host="h1").status is HELD
    assert set(table.holders) == {"new-id"}
    assert table.unlock("third-id", 2, host="h1").status is LockStatus.RELEASED


def test_an_id_that_is_bound_to_a_host_is_of_no_use_to_another() -> None:
    table = LockTable(slots=2)
    table.lock("id", 0, host="h1")
    table.slots = 1
    table.lock("queued", 1, host="h2")

    assert table.unlock("id", 2, host="h2").status is LockStatus.FOREIGN
    assert table.lock("id", 3, host="h2").status is LockStatus.FOREIGN
    assert table.lock("queued", 4, host="h1").status is LockStatus.FOREIGN
    assert set(table.holders) == {"id"}


@pytest.mark.parametrize(
    ("held_since", "ahead", "mean", "expected"),
    [
        ([100.0], 0, 200.0, 100),
        ([-50.0], 0, 200.0, 25),
        ([-200.0], 0, 200.0, 7),
        ([-200.0], 0, 3000.0, 120),
        ([-900.0], 0, 900.0, 10),
        ([100.0], 1, 200.0, 120),
        ([100.0], 200, 200.0, 120),
        ([0.0, 80.0], 1, 100.0, 40),
        ([0.0, 80.0], 2, 100.0, 50),
        ([90.0, 10.0, 50.0], 1, 100.0, 45),
        ([100.0], 0, None, 15),
    ],
)  # fmt: skip
def test_a_client_returns_after_half_of_its_expected_wait(
    held_since: list[float], ahead: int, mean: float | None, expected: int
) -> None:
    slots = 2 if len(held_since) > 1 else 1

    found = retry_after_s(slots=slots, held_since_s=held_since, ahead=ahead, mean_hold_s=mean, now_s=100.0)

    assert found == expected


def test_the_mean_follows_what_is_observed_within_bounds() -> None:
    assert mean_hold_after(None, 100) == 100
    assert mean_hold_after(100, 200) == 120
    assert mean_hold_after(None, 1_000_000) == 3600
    assert mean_hold_after(None, -5) == 1


@pytest.mark.parametrize("slots", [1, 4, 20])
@pytest.mark.parametrize(
    ("kind", "most"), [(MAESTRO, 1.1), (UNEVEN, 1.2), (BUSY, 1.2)], ids=["even", "uneven", "own-pause"]
)
def test_two_hundred_hosts_wait_hardly_longer_than_their_turn_takes(kind: Kind, most: float, slots: int) -> None:
    found = waits(kind, clients=200, slots=slots)

    ideal = [number // slots * REBOOT_S for number in range(200)]
    assert len(found) == 200
    assert median(found) <= most * median(ideal)
    assert max(found) <= 1.25 * ideal[-1]


def test_clients_that_ask_seldom_are_all_served_and_their_slots_are_not_left_free() -> None:
    found = waits(ZINCATI, clients=100, slots=1)

    assert len(found) == 100
    assert median(found) <= 1.3 * 50 * REBOOT_S
    assert max(found) <= 1.3 * 99 * REBOOT_S


def seldom(*, passed: int = 0) -> LockTable:
    """Return a table in which client "z", which asks every 300 s, is the first of two, and the slot is free."""
    table = LockTable()
    table.lock("a", 0)
    table.lock("z", 1)
    table.lock("b", 2)
    table.lock("z", 301)
    table.waiters["z"] = replace(table.waiters["z"], passed=passed)
    table.unlock("a", 310)
    return table


def test_a_slot_of_a_client_that_is_not_about_to_ask_goes_to_the_next() -> None:
    table = seldom()

    assert table.lock("new", 311).status is QUEUED
    assert table.lock("b", 312).status is GRANTED
    assert table.waiters["z"].passed == 1


@pytest.mark.parametrize("moment", [575, 600], ids=["soon", "a-little-late"])
def test_a_client_that_is_about_to_ask_is_waited_for(moment: float) -> None:
    table = seldom()
    table.waiters["b"] = replace(table.waiters["b"], asked_s=moment - 20)

    assert table.lock("b", moment).status is QUEUED
    assert table.lock("z", moment + 1).status is GRANTED


def test_a_client_that_was_passed_so_many_times_is_passed_no_more() -> None:
    assert seldom(passed=19).lock("b", 312).status is GRANTED
    assert seldom(passed=20).lock("b", 312).status is QUEUED


def test_only_the_next_clients_may_pass() -> None:
    table = seldom()
    for number in range(12):
        table.lock(f"n{number}", 311 + number / 100)

    assert table.lock("n11", 313).status is QUEUED
    assert table.lock("n10", 314).status is GRANTED
    assert [table.waiters[client].passed for client in ("z", "b", "n0", "n11")] == [1, 0, 0, 0]


def test_every_tenth_host_that_vanishes_costs_the_others_one_reservation_each() -> None:
    kind = Kind(interval=MAESTRO.interval, reboot_s=MAESTRO.reboot_s, gives_up=lambda number: number % 10 == 9)

    found = waits(kind, clients=100, slots=2)

    assert len(found) == 90
    assert max(found) <= 1.2 * 45 * REBOOT_S


@pytest.mark.parametrize(
    ("name", "valid"),
    [("default", True), ("A.b-9", True), ("", False), ("a b", False), ("a_b", False), ("é", False), ("a\n", False),
     ("x" * 64, True), ("x" * 65, False), (5, False)],
)  # fmt: skip
def test_a_group_is_what_the_protocol_says(name: object, valid: bool) -> None:  # noqa: FBT001 - a table
    assert is_group(name) is valid


@pytest.mark.parametrize(
    ("value", "valid"),
    [("c988d2509fdf5cdcbed39037c56406fb", True), ("Web1", True), ("web 1 é", True), ("", False), ("a\0", False),
     ("\ud800", False), ("x" * 256, True), ("x" * 257, False), (None, False)],
    ids=repr,
)  # fmt: skip
def test_an_id_is_any_printable_text(value: object, valid: bool) -> None:  # noqa: FBT001 - a table
    assert is_client_id(value) is valid
