"""Soak and snoozes over jobs: recorded by checks and runs, released on time, and never lost."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.model.outcome import Result
from agent.core.model.plan import Plan, Why
from agent.core.model.scope import Scope
from agent.core.packages.cohort import cohort_of
from agent.core.packages.cves import ChangelogFindings
from agent.core.policy.policy import PrefetchMode, SoakPolicy
from agent.state.store import FIRST_SEEN, SNOOZES, STATE
from agent.state.waiting_record import WaitingRecord
from agent.worker.jobs.check import check
from tests.core import given
from tests.support.simulated import Offer
from tests.worker.jobs.simulator import Agent, names

DAY = timedelta(days=1)
CVE = "CVE-2026-0001"


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    """Return an agent with two pending security fixes, of which one needs the other, and a soak of a week."""
    found = Agent(tmp_path)
    found.machine.offer(Offer(package="nginx", needs=("libssl3",)), "libssl3")
    found.policy = given.policy(soak=SoakPolicy(security=7 * DAY))
    return found


def held(plan: Plan) -> dict[str, Why]:
    return {item.package: item.why for item in plan.held}


def snooze(agent: Agent, what: str, days: int = 3) -> None:
    now = agent.machine.now()
    made = given.snooze(what, until=now + days * DAY, at=now)
    WaitingRecord(agent.store).update_snoozes(lambda before: (*before, made), now)


def test_a_new_fix_soaks_and_is_installed_on_time(agent: Agent) -> None:
    first = agent.check()
    agent.machine.time += 7 * DAY - timedelta(hours=1)
    early = agent.upgrade()
    agent.machine.time += timedelta(hours=1)

    late = agent.upgrade()

    assert held(first) == {"nginx": Why.SOAKING, "libssl3": Why.SOAKING}
    assert (names(early.upgraded), names(late.upgraded)) == ([], ["libssl3", "nginx"])


def test_a_run_that_waits_for_soaking_fixes_says_so(agent: Agent) -> None:
    outcome = agent.upgrade()

    assert {item.package: item.why for item in outcome.held} == {"nginx": Why.SOAKING, "libssl3": Why.SOAKING}


def test_a_soaking_library_is_not_upgraded_for_a_due_fix(agent: Agent) -> None:
    agent.check()
    agent.machine.time += 6 * DAY
    agent.machine.publish(Offer(package="libssl3", version=3))
    agent.check()
    agent.machine.time += DAY

    plan = agent.check()

    assert (names(plan.install), held(plan)) == ([], {"nginx": Why.SOAKING, "libssl3": Why.SOAKING})


def test_stale_lists_do_not_start_the_soak_again(agent: Agent) -> None:
    agent.check()
    known = list(agent.machine.lists)
    agent.machine.lists.clear()
    agent.machine.time += 4 * DAY
    agent.check(refresh=False)
    agent.machine.lists = known
    agent.machine.time += 3 * DAY

    assert names(agent.check(refresh=False).install) == ["libssl3", "nginx"]


def test_a_check_that_records_nothing_starts_no_soak(agent: Agent) -> None:
    agent.check(remember=False)

    assert not agent.store.has(FIRST_SEEN)


def test_a_damaged_record_starts_the_soak_again_and_holds_nothing_for_ever(agent: Agent) -> None:
    agent.check()
    agent.machine.time += 6 * DAY
    Path(agent.store.path(FIRST_SEEN)).write_text("{")
    agent.check()
    agent.machine.time += 7 * DAY

    assert names(agent.check().install) == ["libssl3", "nginx"]


def test_cohorts_follow_each_other(agent: Agent) -> None:
    agent.policy = given.policy(soak=SoakPolicy(security=7 * DAY, rollout=10 * DAY, cohort="50"))
    agent.check()
    agent.machine.time += 7 * DAY
    soaked = agent.check()
    agent.machine.time += 5 * DAY

    assert set(held(soaked).values()) == {Why.NOT_IN_COHORT}
    assert names(agent.check().install) == ["libssl3", "nginx"]


def test_a_machine_waits_as_long_as_the_cohort_of_its_machine_id_has_to(agent: Agent) -> None:
    agent.policy = given.policy(soak=SoakPolicy(rollout=50 * DAY))
    machine = "0123456789abcdef0123456789abcdef"

    plan = check(replace(agent.context, machine_id=machine), Scope.SECURITY, refresh=True)

    cohort = cohort_of(SoakPolicy(), machine)
    state = agent.store.read(STATE, "maestro.state/1")
    assert {item.until for item in plan.held} == {plan.seen_at + cohort * DAY / 2}
    assert state is not None
    assert state.child("soak").number("cohort") == cohort


def test_a_request_by_name_does_not_wait_nor_does_what_it_needs(agent: Agent) -> None:
    agent.machine.offer("zlib1g")

    outcome = agent.upgrade(only=["nginx"])

    assert (outcome.result, names(outcome.upgraded)) == (Result.UPDATED, ["libssl3", "nginx"])
    assert agent.machine.packages["zlib1g"].version == "1"
    assert held(agent.check()) == {"zlib1g": Why.SOAKING}
    assert [(one.package, one.why) for one in outcome.overridden] == [("libssl3", Why.SOAKING), ("nginx", Why.SOAKING)]
    assert [part["package"] for part in agent.last_run().raw["overridden"]] == ["libssl3", "nginx"]  # type: ignore[attr-defined] # a document


def test_a_check_of_a_request_shows_what_the_upgrade_does(agent: Agent) -> None:
    plan = agent.check(only=["nginx"])

    assert "overridden" not in agent.last_plan().raw
    assert agent.upgrade(only=["nginx"], plan_id=plan.id).result is Result.UPDATED


def test_other_updates_have_a_soak_of_their_own(agent: Agent) -> None:
    agent.policy = given.policy(soak=SoakPolicy(other=DAY))
    agent.machine.offer(Offer(package="vim", security=False))

    plan = agent.check(Scope.ALL)

    assert (names(plan.install), held(plan)) == (["libssl3", "nginx"], {"vim": Why.SOAKING})


def test_a_snoozed_package_stays_until_its_time_and_then_goes(agent: Agent) -> None:
    agent.policy = given.policy()
    snooze(agent, "libssl3")
    before = agent.upgrade()
    agent.machine.time += 3 * DAY

    after = agent.upgrade()

    assert {item.package: item.why for item in before.held} == {"nginx": Why.SNOOZED, "libssl3": Why.SNOOZED}
    assert names(after.upgraded) == ["libssl3", "nginx"]


def test_a_snooze_that_is_over_stays_over_when_the_clock_is_set_back(agent: Agent) -> None:
    agent.policy = given.policy()
    snooze(agent, "libssl3")
    agent.machine.time += 3 * DAY
    agent.check()
    agent.machine.time -= 2 * DAY

    assert names(agent.check().install) == ["libssl3", "nginx"]


def test_a_request_by_name_does_not_override_a_snooze(agent: Agent) -> None:
    snooze(agent, "libssl3")

    plan = agent.check()

    assert held(plan)["libssl3"] is Why.SNOOZED


def test_an_update_is_held_if_all_its_cves_are_snoozed(agent: Agent) -> None:
    agent.policy = given.policy()
    agent.policy = replace(agent.policy, apt=replace(agent.policy.apt, fetch_ahead=PrefetchMode.SECURITY))
    agent.machine.cves["libssl3"] = ChangelogFindings(cves=(CVE,), security_upload=True, complete=True)
    agent.check()
    snooze(agent, CVE)

    assert held(agent.check()) == {"nginx": Why.SNOOZED, "libssl3": Why.SNOOZED}


@pytest.mark.parametrize("mode", PrefetchMode)
def test_a_run_reads_changelogs_first_if_a_cve_is_snoozed(agent: Agent, mode: PrefetchMode) -> None:
    agent.policy = given.policy()
    agent.policy = replace(agent.policy, apt=replace(agent.policy.apt, fetch_ahead=mode))
    agent.machine.cves["libssl3"] = ChangelogFindings(cves=(CVE,), security_upload=True, complete=True)
    snooze(agent, CVE)

    outcome = agent.upgrade()

    assert {item.package: item.why for item in outcome.held} == {"nginx": Why.SNOOZED, "libssl3": Why.SNOOZED}


@pytest.mark.parametrize("mode", PrefetchMode)
def test_a_run_knows_at_once_that_a_cve_is_exempt_from_the_soak(agent: Agent, mode: PrefetchMode) -> None:
    agent.policy = given.policy(soak=SoakPolicy(security=7 * DAY, override=(CVE,)))
    agent.policy = replace(agent.policy, apt=replace(agent.policy.apt, fetch_ahead=mode))
    agent.machine.cves["libssl3"] = ChangelogFindings(cves=(CVE,), security_upload=True, complete=True)

    outcome = agent.upgrade()

    assert names(outcome.upgraded) == ["libssl3"]


@pytest.mark.parametrize("text", ["{", '{"schema": "maestro.snoozes/1"}', '{"schema": "maestro.snoozes/9"}'])
def test_damaged_snoozes_hold_nothing_and_stay_for_status(agent: Agent, text: str) -> None:
    agent.policy = given.policy()
    snooze(agent, "libssl3")
    Path(agent.store.path(SNOOZES)).write_text(text)

    outcome = agent.upgrade()

    assert names(outcome.upgraded) == ["libssl3", "nginx"]
    assert Path(agent.store.path(SNOOZES)).read_text() == text


def test_a_request_by_cve_does_not_wait_either(agent: Agent) -> None:
    agent.machine.cves["nginx"] = ChangelogFindings(cves=(CVE,), security_upload=True, complete=True)
    agent.machine.offer("zlib1g")

    outcome = agent.upgrade(only=[CVE])

    assert names(outcome.upgraded) == ["libssl3", "nginx"]
    assert [one.package for one in outcome.overridden] == ["libssl3", "nginx"]
