"""The record of a slot after each call, for each meaning of an answer and each record before."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from agent.core.fleet_lock.answers import Meaning
from agent.core.fleet_lock.model import NO_LOCK, HeldLock, LockAnswer, LockCall, LockPhase, LockWhy
from agent.core.fleet_lock.server import LockServer
from agent.core.fleet_lock.transitions import (
    ACQUIRE_SETTLES,
    RELEASE_SETTLES,
    after_acquire,
    after_release,
    intended,
    is_unsettled,
    must_be_released_first,
    release_is_due,
    releasing,
    with_answer,
)

NOW = datetime(2026, 11, 29, 2, 0, tzinfo=timezone.utc)
SOON, PAST = NOW + timedelta(minutes=2), NOW - timedelta(minutes=2)
SERVER = LockServer(url="https://locks.example.org", group="web", id="host-a")
NEW = HeldLock(
    phase=LockPhase.INTENT,
    url=SERVER.url,
    group=SERVER.group,
    id=SERVER.id,
    since=NOW,
    boot_id="b-2",
    soft_reboots=0,
    run_id="run-2",
)
HELD = replace(NEW, phase=LockPhase.HELD, since=PAST, boot_id="b-1", run_id="run-1", kept="cron.service failed")
LATE = replace(NEW, phase=LockPhase.RELEASING, since=PAST, released_at=PAST, acquire_settles_at=SOON)
"""Given back, and a request for it from before may still be carried out."""
RELEASING = replace(NEW, phase=LockPhase.RELEASING)
DONE, REFUSED, REJECTED = Meaning.DONE, Meaning.REFUSED, Meaning.REJECTED
UNCERTAIN, IN_FLIGHT = Meaning.UNCERTAIN, Meaning.IN_FLIGHT
AFTER_ACQUIRE = [
    # what was on record, what the answer means, what is on record then
    (None, DONE, replace(NEW, phase=LockPhase.HELD)),
    (None, REFUSED, None),
    (None, REJECTED, None),
    (None, UNCERTAIN, RELEASING),
    (None, IN_FLIGHT, replace(RELEASING, acquire_settles_at=NOW + ACQUIRE_SETTLES)),
    (HELD, DONE, replace(NEW, phase=LockPhase.HELD)),
    (HELD, REFUSED, None),
    (HELD, REJECTED, HELD),
    (HELD, UNCERTAIN, HELD),
    (HELD, IN_FLIGHT, replace(HELD, acquire_settles_at=NOW + ACQUIRE_SETTLES)),
    (LATE, DONE, replace(NEW, phase=LockPhase.HELD, acquire_settles_at=SOON)),
    (LATE, REFUSED, replace(RELEASING, released_at=NOW, acquire_settles_at=SOON)),
    (LATE, REJECTED, replace(RELEASING, released_at=NOW, acquire_settles_at=SOON)),
    (LATE, UNCERTAIN, replace(RELEASING, acquire_settles_at=SOON)),
    (LATE, IN_FLIGHT, replace(RELEASING, acquire_settles_at=NOW + ACQUIRE_SETTLES)),
]
AFTER_RELEASE = [
    (HELD, DONE, None),
    (HELD, REJECTED, RELEASING),
    (HELD, REFUSED, RELEASING),
    (HELD, UNCERTAIN, RELEASING),
    (HELD, IN_FLIGHT, replace(RELEASING, release_settles_at=NOW + RELEASE_SETTLES)),
    (replace(HELD, acquire_settles_at=SOON), DONE, replace(RELEASING, acquire_settles_at=SOON, released_at=NOW)),
    (replace(HELD, acquire_settles_at=PAST), DONE, None),
    (replace(RELEASING, release_settles_at=SOON), DONE, replace(RELEASING, release_settles_at=SOON, released_at=NOW)),
    (replace(RELEASING, release_settles_at=PAST), DONE, None),
]


def case(number: int, meaning: Meaning) -> str:
    return f"{number}-{meaning.value}"


@pytest.mark.parametrize(
    ("before", "meaning", "after"), AFTER_ACQUIRE, ids=[case(n, one[1]) for n, one in enumerate(AFTER_ACQUIRE)]
)
def test_a_call_to_take_a_slot_leaves_what_may_be_held(
    before: HeldLock | None, meaning: Meaning, after: HeldLock | None
) -> None:
    assert after_acquire(NEW, meaning, NOW, before=before) == after


@pytest.mark.parametrize(
    ("before", "meaning", "after"), AFTER_RELEASE, ids=[case(n, one[1]) for n, one in enumerate(AFTER_RELEASE)]
)
def test_a_call_to_give_it_back_leaves_what_may_still_be_held(
    before: HeldLock, meaning: Meaning, after: HeldLock | None
) -> None:
    found = after_release(releasing(before, NOW), meaning, NOW, before=before)

    assert (found is None) is (after is None)
    assert found is None or changed(found) == changed(after or NEW)


def changed(lock: HeldLock) -> tuple[object, ...]:
    """Return the fields that a release changes."""
    return (lock.phase, lock.kept, lock.released_at, lock.acquire_settles_at, lock.release_settles_at)


@pytest.mark.parametrize("before", [None, LATE], ids=["nothing", "late"])
def test_during_a_request_the_record_says_that_it_may_be_carried_out(before: HeldLock | None) -> None:
    during = intended(NEW, NOW, before=before)

    assert during == replace(NEW, phase=LockPhase.INTENT, acquire_settles_at=NOW + ACQUIRE_SETTLES)


def test_a_slot_that_is_asked_for_again_stays_held_and_kept_during_the_request() -> None:
    assert intended(NEW, NOW, before=HELD) == replace(HELD, acquire_settles_at=NOW + ACQUIRE_SETTLES)


def test_during_a_release_the_record_says_that_it_may_be_carried_out_and_no_person_is_needed_any_more() -> None:
    assert releasing(HELD, NOW) == replace(
        HELD, phase=LockPhase.RELEASING, kept="", release_settles_at=NOW + RELEASE_SETTLES
    )


@pytest.mark.parametrize(
    ("lock", "first"),
    [
        (HELD, False),
        (replace(HELD, url="https://other.example.org"), True),
        (replace(HELD, group="db"), True),
        (replace(HELD, id="host-b"), True),
        (NEW, True),
        (RELEASING, True),
    ],
    ids=["held", "other-server", "other-group", "other-id", "intent", "releasing"],
)
def test_what_is_not_certainly_this_slot_is_given_back_first(lock: HeldLock, *, first: bool) -> None:
    assert must_be_released_first(lock, SERVER) is first


@pytest.mark.parametrize(
    ("lock", "pending", "due"),
    [
        (replace(HELD, kept=""), False, True),
        (replace(HELD, kept=""), True, False),
        (HELD, False, False),
        (NEW, False, True),
        (RELEASING, False, True),
        (LATE, False, False),
        (replace(LATE, acquire_settles_at=PAST), False, True),
    ],
    ids=["held", "reboot-pending", "kept", "intent", "releasing", "settling", "settled"],
)
def test_a_job_gives_back_what_no_reboot_and_no_person_needs(lock: HeldLock, *, pending: bool, due: bool) -> None:
    assert release_is_due(lock, NOW, reboot_pending=pending) is due


@pytest.mark.parametrize(
    ("until", "unsettled"),
    [
        (None, False),
        (PAST, False),
        (NOW, False),
        (SOON, True),
        (NOW + RELEASE_SETTLES, True),
        (NOW + timedelta(1), False),
    ],
    ids=["none", "past", "now", "soon", "longest", "wrong-clock"],
)
def test_a_call_is_unsettled_for_a_bounded_time(until: datetime | None, *, unsettled: bool) -> None:
    assert is_unsettled(until, NOW, RELEASE_SETTLES) is unsettled


def refused(why: LockWhy = "fleet-lock") -> LockAnswer:
    return LockAnswer(granted=False, why=why, detail="full")


def test_a_series_of_refusals_keeps_the_time_of_its_first() -> None:
    first = with_answer(NO_LOCK, LockCall.ACQUIRE, refused(), PAST)
    again = with_answer(first, LockCall.ACQUIRE, refused(), NOW)
    other = with_answer(again, LockCall.ACQUIRE, refused("lock-unreachable"), SOON)

    assert again.refusal is not None
    assert (again.refusal.since, again.refusal.at) == (PAST, NOW)
    assert other.refusal is not None
    assert other.refusal.since == SOON


@pytest.mark.parametrize(
    ("failed", "succeeded", "ends"),
    [
        (LockCall.ACQUIRE, LockCall.ACQUIRE, True),
        (LockCall.RELEASE, LockCall.RELEASE, True),
        (LockCall.RELEASE, LockCall.ACQUIRE, True),
        (LockCall.ACQUIRE, LockCall.RELEASE, False),
    ],
    ids=["taken", "given-back", "taken-after-release", "given-back-after-refusal"],
)
def test_a_refusal_ends_with_the_call_that_succeeds(failed: LockCall, succeeded: LockCall, *, ends: bool) -> None:
    record = with_answer(NO_LOCK, failed, refused(), PAST)

    assert (with_answer(record, succeeded, LockAnswer(granted=True), NOW).refusal is None) is ends
