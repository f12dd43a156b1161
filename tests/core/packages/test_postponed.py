"""Snoozed and soaking updates: what holds them, what they hold back, and what a person's request opens."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from agent.core.model.facts import Facts, Update
from agent.core.model.package import PackageId
from agent.core.model.plan import Held, Plan, Refusal, Resolution, Step, Why
from agent.core.model.reasons import ReasonCode
from agent.core.model.scope import Scope
from agent.core.packages.decide import Veto, decide
from agent.core.packages.dropped import NOTHING_DROPPED
from agent.core.packages.snoozes import in_force, open_in_spite, snoozed, with_snoozes
from agent.core.packages.soak import due, waiting
from agent.core.policy.policy import Policy, SoakPolicy
from tests.core import given

DAY = timedelta(days=1)
CVES: dict[str, Any] = {"cves": ("CVE-2026-0001", "CVE-2026-0002"), "cves_complete": True}
LIB = PackageId(name="lib", architecture="amd64")


def planned(
    updates: Sequence[Update],
    *,
    policy: Policy,
    needs: str = "",
    scope: Scope = Scope.SECURITY,
    asked: Sequence[str] = (),
) -> Plan:
    """Plan with a resolver for which every update needs the newest version of another package, if one is named."""

    def resolve(admitted: Sequence[Update], veto: Veto) -> Resolution:
        refusal = veto(PackageId(name=needs, architecture="amd64")) if needs else None
        fits = [one for one in admitted if refusal is None or one.package == needs]
        extra = [given.step(needs)] if needs and refusal is None and fits else []
        held = (
            [Held.of(one, Refusal(why=refusal.why, reason=refusal.reason)) for one in admitted if one not in fits]
            if refusal
            else []
        )
        steps = {step.id: step for step in [*extra, *map(as_step, fits)]}
        return Resolution(steps=tuple(steps.values()), refused=tuple(held))

    return decide(policy, facts_of(updates), scope, NOTHING_DROPPED, resolve, despite_soak=asked)


def as_step(update: Update) -> Step:
    return given.step(update.package, candidate=update.candidate, security=update.security)


def facts_of(updates: Sequence[Update]) -> Facts:
    return given.facts(*updates, snoozes=tuple({one: None for update in updates for one in update.snoozes}))


def steps(plan: Plan) -> list[str]:
    return [step.package for step in plan.install]


def held(plan: Plan) -> dict[str, Why]:
    return {item.package: item.why for item in plan.held}


@pytest.mark.parametrize(
    ("seen_ago", "cohort", "security", "why"),
    [
        (0 * DAY, 0, True, Why.SOAKING),
        (7 * DAY - timedelta(seconds=1), 0, True, Why.SOAKING),
        (7 * DAY, 0, True, None),
        (7 * DAY, 1, True, Why.NOT_IN_COHORT),
        (7 * DAY, 0, False, Why.SOAKING),
        (14 * DAY, 0, False, None),
        (12 * DAY - timedelta(seconds=1), 50, True, Why.NOT_IN_COHORT),
        (12 * DAY, 50, True, None),
        (16 * DAY, 99, True, Why.NOT_IN_COHORT),
        (17 * DAY, 99, True, None),
    ],
)
def test_an_update_is_due_after_its_soak_and_its_part_of_the_rollout(
    seen_ago: timedelta, cohort: int, *, security: bool, why: Why | None
) -> None:
    update = given.update(security=security, age=given.age(seen_ago, cohort))

    refusal = waiting(given.policy(soak=given.SOAK), update)

    assert (refusal.why if refusal else None) is why


@pytest.mark.parametrize(("scope", "installed"), [(Scope.ALL, []), (Scope.PROVISION, ["a"])], ids=["all", "provision"])
def test_only_on_a_new_server_nothing_waits_for_soak_and_cohort(scope: Scope, installed: list[str]) -> None:
    plan = planned([given.update(age=given.age(0 * DAY, 99))], policy=given.policy(soak=given.SOAK), scope=scope)

    assert (steps(plan), plan.overridden) == (installed, ())


def test_nothing_waits_by_default() -> None:
    assert waiting(given.policy(), given.update(age=given.age(cohort=99))) is None


def test_without_an_age_an_update_does_not_wait() -> None:
    assert waiting(given.policy(soak=given.SOAK), given.update()) is None


@pytest.mark.parametrize("override", ["a", "?", "CVE-2026-0002"])
def test_an_override_names_the_package_or_a_cve(override: str) -> None:
    update = given.update(age=given.age(), **CVES)
    soak = SoakPolicy(security=7 * DAY, override=(override,))

    assert waiting(given.policy(soak=soak), update) is None


@pytest.mark.parametrize("override", ["b", "a?", "CVE-2026-0003"])
def test_an_override_of_another_update_changes_nothing(override: str) -> None:
    update = given.update(age=given.age(), **CVES)
    soak = SoakPolicy(security=7 * DAY, override=(override,))

    assert waiting(given.policy(soak=soak), update) is not None


def test_due_grows_with_the_soak_and_the_cohort() -> None:
    soaks = [SoakPolicy(security=days * DAY, rollout=9 * DAY) for days in (0, 1, 7)]
    dues = [due(soak, given.age(cohort=cohort), security=True).at for soak in soaks for cohort in range(0, 100, 9)]

    for soak in range(len(soaks)):
        of_soak = dues[soak * 12 : (soak + 1) * 12]
        assert of_soak == sorted(of_soak)
    assert all(dues[number] < dues[number + 12] for number in range(24))


def test_an_installed_package_that_soaks_is_not_upgraded_as_a_dependency() -> None:
    updates = [given.update("a"), given.update("lib", age=given.age())]

    plan = planned(updates, policy=given.policy(soak=given.SOAK), needs="lib")

    assert (steps(plan), held(plan)) == ([], {"a": Why.SOAKING, "lib": Why.SOAKING})


def test_a_new_package_comes_with_a_due_update() -> None:
    plan = planned([given.update("a", age=given.age(30 * DAY))], policy=given.policy(soak=given.SOAK), needs="new")

    assert (steps(plan), held(plan)) == (["a", "new"], {})


@pytest.mark.parametrize("name", ["a", "a:amd64", "CVE-2026-0001"])
def test_a_request_by_name_or_cve_overrides_the_soak_of_an_update_and_of_what_it_needs(name: str) -> None:
    soaks = [given.update("a", age=given.age(), **CVES), given.update("lib", age=given.age())]
    updates = [*soaks, given.update("z", age=given.age())]

    plan = planned(updates, policy=given.policy(soak=given.SOAK), needs="lib", asked=[name])

    assert (steps(plan), held(plan)) == (["a", "lib"], {"z": Why.SOAKING})
    assert [(one.package, one.why) for one in plan.overridden] == [("a", Why.SOAKING), ("lib", Why.SOAKING)]


def test_a_request_overrides_no_snooze_hold_or_blocklist() -> None:
    snoozed_lib = with_snoozes(given.update("lib", age=given.age()), [given.snooze("lib")])
    updates = [given.update("a", age=given.age()), snoozed_lib]
    policy = given.policy(soak=given.SOAK)

    plan = planned(updates, policy=policy, needs="lib", asked=["a", "lib"])

    assert (steps(plan), held(plan)) == ([], {"a": Why.SNOOZED, "lib": Why.SNOOZED})


def test_a_snoozed_package_is_not_installed_as_a_new_one_either() -> None:
    updates = [given.update("a")]
    facts = given.facts(*updates, snoozes=(given.snooze("new"),))
    seen: list[Refusal | None] = []

    def resolve(_admitted: Sequence[Update], veto: Veto) -> Resolution:
        seen.append(veto(PackageId(name="new", architecture="amd64")))
        return Resolution(steps=(), refused=())

    decide(given.policy(), facts, Scope.SECURITY, NOTHING_DROPPED, resolve)

    assert [one.why for one in seen if one] == [Why.SNOOZED]


def test_a_due_security_update_is_installed_while_a_higher_version_soaks() -> None:
    updates = [given.update("a", age=given.age(30 * DAY)), given.other("a", age=given.age())]

    plan = planned(updates, policy=given.policy(soak=given.SOAK), scope=Scope.ALL)

    assert [(step.package, step.candidate) for step in plan.install] == [("a", "2")]
    assert [(item.candidate, item.why) for item in plan.held] == [("3", Why.SOAKING)]


@pytest.mark.parametrize(
    ("what", "holds"),
    [
        (["a"], True),
        (["a:amd64"], True),
        (["a:i386"], False),
        (["b"], False),
        (["CVE-2026-0001"], False),
        (["CVE-2026-0001", "CVE-2026-0002"], True),
        (["CVE-2026-0001", "CVE-2026-0003"], False),
    ],
    ids=lambda what: ",".join(what) if isinstance(what, list) else str(what),
)
def test_a_snooze_holds_its_package_or_an_update_all_of_whose_cves_are_snoozed(what: list[str], *, holds: bool) -> None:
    update = with_snoozes(given.update(**CVES), [given.snooze(one) for one in what])

    refusal = snoozed(given.policy(), update)

    assert (refusal is not None) is holds
    if refusal is not None:
        assert refusal.why is Why.SNOOZED


def test_snoozed_cves_do_not_hold_an_update_whose_changelog_was_not_read_completely() -> None:
    incomplete = {**CVES, "cves_complete": False}
    update = with_snoozes(given.update(**incomplete), [given.snooze(cve) for cve in CVES["cves"]])

    assert snoozed(given.policy(), update) is None
    assert [one.what for one in open_in_spite(update)] == list(CVES["cves"])


def test_a_snooze_of_one_cve_of_two_is_said_to_hold_nothing() -> None:
    update = with_snoozes(given.update(**CVES), [given.snooze("CVE-2026-0001")])

    assert [one.what for one in open_in_spite(update)] == ["CVE-2026-0001"]
    assert open_in_spite(with_snoozes(given.update(**CVES), [given.snooze("a")])) == ()


def test_all_cves_are_snoozed_until_the_first_of_them_is_not() -> None:
    snoozes = [given.snooze("CVE-2026-0001"), given.snooze("CVE-2026-0002", until=given.NOW + DAY)]

    refusal = snoozed(given.policy(), with_snoozes(given.update(**CVES), snoozes))

    assert refusal is not None
    assert (refusal.reason.code, refusal.reason.values[1]) == (ReasonCode.SNOOZED_CVES, given.NOW + DAY)


def test_a_snooze_is_in_force_until_its_time_and_not_after_it_was_seen_to_be_over() -> None:
    runs, at_its_end = given.snooze("a"), given.snooze("b", until=given.NOW)
    ended = given.snooze("c", ended_at=given.NOW + DAY)

    assert in_force([runs, at_its_end, ended], given.NOW) == (runs,)


def test_an_update_that_fixes_more_than_what_is_snoozed_is_installed_and_that_is_said() -> None:
    update = with_snoozes(given.update("a", **CVES), [given.snooze("CVE-2026-0001")])

    plan = planned([update], policy=given.policy())

    assert steps(plan) == ["a"]
    [said] = plan.overridden
    assert (said.why, said.cause.code, said.cause.values) == (
        Why.SNOOZED,
        ReasonCode.SNOOZED_IN_PART,
        ("CVE-2026-0001", "CVE-2026-0002"),
    )


def test_a_plan_of_due_updates_overrides_nothing() -> None:
    plan = planned([given.update("a", age=given.age(30 * DAY))], policy=given.policy(soak=given.SOAK))

    assert (steps(plan), plan.overridden) == (["a"], ())
