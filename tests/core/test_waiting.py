"""When versions were first seen, over lists that come and go and clocks that jump; the cohort of a machine."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from agent.core.model.facts import Facts, Lists, ListsState, SourceLists, Update
from agent.core.model.plan import Held, Resolution, Step
from agent.core.model.scope import Scope
from agent.core.packages.cohort import cohort_of
from agent.core.packages.decide import Veto, decide
from agent.core.packages.dropped import NOTHING_DROPPED
from agent.core.packages.first_seen import MAX_GONE, FirstSeen, advance, age_of, with_ages
from agent.core.packages.snoozes import with_snoozes
from agent.core.packages.soak import waiting
from agent.core.policy.policy import SoakPolicy
from tests.core import given

DAY = timedelta(days=1)
WEEK = SoakPolicy(security=7 * DAY)
STALE = Lists(state=ListsState.STALE, updated_at=None)


def offer(version: str = "2", **changes: object) -> Update:
    return given.update("libssl3", candidate=version, **changes)


def at(days: float, *updates: Update, lists: Lists = given.FRESH) -> Facts:
    """Return what an observation saw `days` days after the first, by its clock."""
    return given.facts(*updates, seen_at=given.NOW + days * DAY, lists=lists)


def after(*observations: Facts) -> FirstSeen:
    seen: FirstSeen = ()
    for one in observations:
        seen = advance(seen, one)
    return seen


def age_days(*observations: Facts) -> float:
    """Return the age in days of the last observation's first update."""
    last = observations[-1]
    age = age_of(after(*observations), last.updates[0], last.seen_at, 0)
    assert age is not None
    return (last.seen_at - age.first_seen_at) / DAY


COURSES: dict[str, tuple[Sequence[Facts], float]] = {
    "new": ([at(0, offer())], 0),
    "known": ([at(0, offer()), at(3, offer())], 3),
    "stale-lists-reset-nothing": ([at(0, offer()), at(3, lists=STALE), at(4, offer())], 4),
    "offered-by-stale-lists": ([at(0, offer()), at(3, offer(), lists=STALE), at(4, offer())], 4),
    "first-offered-by-stale-lists": ([at(0, offer(), lists=STALE), at(3, offer())], 3),
    "a-source-that-was-away-resets-nothing": ([at(0, offer()), at(3), at(9), at(20, offer())], 20),
    "withdrawn-for-long-and-offered-again": ([at(0, offer()), at(3), at(34), at(40, offer())], 0),
    "a-newer-version-starts-its-own": ([at(0, offer("2")), at(3, offer("3"))], 0),
    "declared-a-security-update-later": ([at(0, offer(security=False)), at(3, offer())], 3),
    "both-classes-count": ([at(0, offer()), at(3, offer(security=False)), at(4, offer())], 4),
    "not-authenticated-lists-do-not-count": ([at(0, offer(trusted=False)), at(3, offer())], 0),
    "a-clock-that-was-ahead": ([at(900, offer()), at(1, offer()), at(2, offer()), at(2.5, offer())], 1.5),
    "ahead-and-then-off-for-long": ([at(900, offer()), at(1, offer()), at(30, offer())], 1),
    "ahead-by-days": ([at(9, offer()), *(at(day, offer()) for day in range(12))], 11),
    "set-back-for-a-while": ([at(0, offer()), at(-400, offer()), at(1, offer())], 1),
    "set-back-and-partly-corrected": ([at(0, offer()), at(-40, offer()), at(-20, offer()), at(-19.5, offer())], 1.5),
    "set-back-again-and-again": ([at(0, offer()), at(-4, offer()), at(-8, offer()), at(-7.5, offer())], 0.5),
    "set-back-by-less-than-its-age": ([at(0, offer()), at(6, offer()), at(2, offer())], 2),
}


@pytest.mark.parametrize("course", COURSES, ids=str)
def test_the_age_of_a_version_by_what_was_observed(course: str) -> None:
    observations, days = COURSES[course]

    assert age_days(*observations) == days


def test_an_age_is_of_the_first_sight_and_never_ahead_of_the_observation() -> None:
    seen = after(at(900, offer()), at(1, offer()))

    age = age_of(seen, offer(), given.NOW + DAY, 7)

    assert age is not None
    assert (age.first_seen_at, age.observed_at, age.cohort) == (given.NOW + DAY, given.NOW + DAY, 7)


def test_a_first_sight_is_never_before_the_date_of_the_package_lists() -> None:
    dated = SourceLists(source="s", security=True, verified_at=None, released_at=given.NOW)
    lists = replace(given.FRESH, sources=(dated,))

    assert age_days(at(-20000, offer(), lists=lists), at(1, offer(), lists=lists)) == 1


def test_the_age_of_an_older_version_of_the_same_fix_is_known_too() -> None:
    newer = offer("3")
    seen = after(at(0, offer("2")), at(3, newer), at(4, newer))

    age = age_of(seen, newer, given.NOW + 4 * DAY, 0)

    assert age is not None
    assert (age.first_seen_at, age.earlier_at) == (given.NOW + 3 * DAY, given.NOW)


def test_an_older_version_that_is_installed_by_now_is_forgotten() -> None:
    newer = offer("3", installed="2")

    seen = after(at(0, offer("2")), at(3, newer))

    assert [one.version for one in seen] == ["3"]


def test_a_version_that_is_not_offered_is_forgotten_after_a_month() -> None:
    assert [len(after(at(0, offer()), at(1), at(days))) for days in (30, 32)] == [1, 0]


def test_the_record_is_bounded() -> None:
    many = [given.update(f"p{number}") for number in range(MAX_GONE + 50)]

    seen = after(at(0, *many), at(1, *many[:20]))

    assert len(seen) == 20 + MAX_GONE


def test_without_a_change_nothing_changes() -> None:
    seen = after(at(0, offer()), at(1, offer("3")))

    assert advance(seen, at(9, offer("3"))) == seen


TIMES = st.lists(
    st.tuples(st.floats(min_value=0, max_value=2), st.floats(min_value=-500, max_value=0)), min_size=1, max_size=20
)
"""Observations: the days that really passed since the one before, and how far the clock is behind then."""


@given_any(observations=TIMES)
def test_a_clock_that_is_set_back_never_releases_early(observations: Sequence[tuple[float, float]]) -> None:
    """However often and far; each step of the clock itself forward counts as a day at most."""
    passed, steps = 0.0, 0
    seen = after(at(0, offer()))
    behind_before = 0.0
    for real, behind in observations:
        passed += real
        steps += behind > behind_before
        behind_before = behind
        facts = at(passed + behind, offer())
        seen = advance(seen, facts)
        age = age_of(seen, offer(), facts.seen_at, 0)
        assert age is not None
        assert (facts.seen_at - age.first_seen_at) / DAY <= passed + steps + 1e-6


@given_any(ahead=st.floats(min_value=0, max_value=5000), pause=st.floats(min_value=0.05, max_value=3))
def test_a_clock_that_was_ahead_at_first_sight_holds_nothing_for_ever(ahead: float, pause: float) -> None:
    """Neither when the clock passes the time of the first sight, nor afterwards."""
    observations = [at(ahead, offer()), *(at(number * pause, offer()) for number in range(int(14 / min(pause, 1)) + 2))]

    [update] = with_ages(after(*observations), [offer()], observations[-1].seen_at, 0)

    assert waiting(given.policy(soak=WEEK), update) is None


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo"])
@pytest.mark.parametrize("month", range(1, 13))
def test_an_update_is_released_after_exactly_its_soak_whatever_the_local_clock_does(zone: str, month: int) -> None:
    """A day of soak is 24 hours."""
    first = datetime(2026, month, 26, 1, 30, tzinfo=ZoneInfo(zone)).astimezone(given.NOW.tzinfo)
    seen = advance((), given.facts(offer(), seen_at=first))

    def is_due(later: timedelta) -> bool:
        facts = given.facts(offer(), seen_at=first + later)
        [update] = with_ages(advance(seen, facts), facts.updates, facts.seen_at, 0)
        return waiting(given.policy(soak=WEEK), update) is None

    assert [is_due(7 * DAY + timedelta(seconds=seconds)) for seconds in (-1, 0)] == [False, True]


MACHINES = 100_000


def test_cohorts_are_uniform_over_machines_and_stable() -> None:
    """The part of the machines at or below a cohort is as large as it should be, to 1 % of all machines."""
    counts = Counter(cohort_of(SoakPolicy(), f"{number:032x}") for number in range(MACHINES))
    below, worst = 0, 0.0
    for cohort in range(100):
        below += counts[cohort]
        worst = max(worst, abs(below / MACHINES - (cohort + 1) / 100))

    assert set(counts) == set(range(100))
    assert worst < 0.01
    assert cohort_of(SoakPolicy(), "0123456789abcdef0123456789abcdef") == 28


@pytest.mark.parametrize("number", [0, 7, 99])
def test_an_owner_may_set_the_cohort(number: int) -> None:
    assert cohort_of(SoakPolicy(cohort=str(number)), "any") == number


@given_any(
    cohorts=st.tuples(st.integers(0, 99), st.integers(0, 99)),
    waited=st.floats(min_value=0, max_value=60),
    soak=st.integers(0, 30),
    rollout=st.integers(0, 30),
)
def test_who_is_in_a_lower_cohort_never_waits_longer(
    cohorts: tuple[int, int], waited: float, soak: int, rollout: int
) -> None:
    policy = given.policy(soak=SoakPolicy(security=soak * DAY, rollout=rollout * DAY))
    low, high = (
        waiting(policy, given.update(age=given.age(waited * DAY, cohort))) is None for cohort in sorted(cohorts)
    )

    assert low or not high


UPDATES = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "lib"]),
        st.booleans(),
        st.none() | st.integers(0, 40),
        st.sampled_from([(), ("a",), ("lib:amd64",), ("CVE-2026-0001",), ("CVE-2026-0001", "CVE-2026-0002")]),
    ),
    max_size=6,
    unique_by=lambda one: one[:2],
)
"""Updates: package, class, the days that each is known, and what is snoozed."""


@given_any(found=UPDATES, soak=st.integers(0, 20), rollout=st.integers(0, 20), scope=st.sampled_from(Scope))
def test_an_update_is_installed_or_held_with_a_reason_and_never_lost(
    found: Sequence[tuple[str, bool, int | None, tuple[str, ...]]], soak: int, rollout: int, scope: Scope
) -> None:
    snoozes = [given.snooze(what) for *_, whats in found for what in whats]
    cves = {"cves": ("CVE-2026-0001", "CVE-2026-0002"), "cves_complete": True}
    updates = []
    for package, security, days, _ in found:
        make = given.update if security else given.other
        age = given.age(days * DAY) if days is not None else None
        updates.append(with_snoozes(make(package, age=age, **cves), snoozes))
    policy = given.policy(soak=SoakPolicy(security=soak * DAY, other=2 * soak * DAY, rollout=rollout * DAY))

    def resolve(admitted: Sequence[Update], veto: Veto) -> Resolution:
        assert [one for one in admitted if veto(one.id) is not None] == []
        steps = tuple(given.step(one.package, candidate=one.candidate, security=one.security) for one in admitted)
        return Resolution(steps=steps, refused=())

    plan = decide(policy, given.facts(*updates, snoozes=tuple(snoozes)), scope, NOTHING_DROPPED, resolve)

    wanted = {(one.id, one.candidate) for one in updates if one.security or scope is not Scope.SECURITY}
    taken = {step.id: step.candidate for step in plan.install}
    shown: list[Step | Held] = [*plan.install, *plan.held]
    told = {(item.id, item.candidate) for item in shown}
    lower = {(one, version) for one, version in wanted if taken.get(one, "0") > version}
    assert wanted - lower == told
    assert all(item.until is not None for item in plan.held)
