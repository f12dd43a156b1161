"""`upgrade --only CVE`: every update whose changelog names it and what these need, by the rules of named packages."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.model.outcome import Result
from agent.core.model.plan import Why
from agent.core.model.scope import Scope
from agent.core.packages.cves import ChangelogFindings
from agent.core.packages.explain_cve import InstalledFix
from agent.core.policy.policy import SoakPolicy
from agent.errors import ExitCode, NotInPlanError, PlanChangedError
from tests.support.simulated import Offer
from tests.worker.jobs.simulator import Agent, names

CVE, OTHER = "CVE-2026-1111", "CVE-2026-2222"


def changelog(*cves: str, complete: bool = True) -> ChangelogFindings:
    return ChangelogFindings(cves=cves, security_upload=True, complete=complete)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    """Return an agent on a machine where two of four updates fix the CVE."""
    made = Agent(tmp_path / "state")
    made.machine.offer(Offer(package="a", needs=("lib",)), "b", "c", "lib")
    made.machine.cves = {"a": changelog(CVE), "b": changelog(OTHER, CVE), "c": changelog(OTHER)}
    return made


def refused(agent: Agent, *requested: str, scope: Scope = Scope.SECURITY, refresh: bool = True) -> tuple[int, str]:
    before = agent.machine.versions(), agent.store.run_ids()
    with pytest.raises(NotInPlanError) as error:
        agent.upgrade(scope, only=requested, refresh=refresh)
    assert (agent.machine.versions(), agent.store.run_ids()) == before
    return error.value.exit_code, str(error.value)


@pytest.mark.parametrize("checked", [True, False])
def test_every_update_that_fixes_it_is_installed_with_what_it_needs(agent: Agent, *, checked: bool) -> None:
    if checked:
        agent.check()

    done = agent.upgrade(only=[CVE])

    assert (done.result, sorted(names(done.upgraded))) == (Result.UPDATED, ["a", "b", "lib"])
    assert done.requested == (CVE,)
    assert agent.machine.versions()["c"] == "1"


def test_changelogs_that_a_check_has_read_are_not_read_again(agent: Agent) -> None:
    agent.machine.cves["lib"] = changelog()
    agent.check(only=[CVE])
    agent.machine.read_ahead.clear()

    agent.upgrade(only=[CVE])

    assert agent.machine.read_ahead == []


def test_packages_and_cves_are_named_together(agent: Agent) -> None:
    assert sorted(names(agent.upgrade(only=["lib", OTHER]).upgraded)) == ["b", "c", "lib"]


def test_the_plan_of_a_cve_can_be_requested_by_its_id(agent: Agent) -> None:
    part = agent.check(only=[CVE])

    done = agent.upgrade(only=[CVE], plan_id=part.id)

    assert (part.requested, sorted(names(part.install))) == ((CVE,), ["a", "b", "lib"])
    assert sorted(names(done.upgraded)) == ["a", "b", "lib"]


def test_another_update_that_fixes_it_makes_another_plan(agent: Agent) -> None:
    part = agent.check(only=[CVE])
    agent.machine.offer("d")
    agent.machine.cves["d"] = changelog(CVE)

    with pytest.raises(PlanChangedError, match="d:amd64"):
        agent.upgrade(only=[CVE], plan_id=part.id)


def test_a_fix_that_is_held_beside_one_that_is_installed_is_told(agent: Agent) -> None:
    agent.machine.on_hold = {"b"}

    done = agent.upgrade(only=[CVE])

    assert (done.result, sorted(names(done.upgraded))) == (Result.DEGRADED, ["a", "lib"])
    assert [(held.package, held.why) for held in done.held] == [("b", Why.HELD_BY_ADMIN)]


def test_a_cve_whose_fixes_are_all_held_has_the_reasons(agent: Agent) -> None:
    agent.machine.on_hold = {"a", "b"}

    code, message = refused(agent, CVE)

    assert code == ExitCode.ATTENTION
    assert "a is held back" in message
    assert "b is held back" in message


def test_a_cve_that_is_fixed_already_is_said_to_be(agent: Agent) -> None:
    agent.machine.fixed = (("CVE-2026-3333", InstalledFix(source="c", installed="1", fixed_in="1", packages=("c",))),)

    code, message = refused(agent, "CVE-2026-3333")

    assert code == ExitCode.FAILED
    assert "c 1" in message


def test_a_cve_that_no_changelog_names_is_unknown(agent: Agent) -> None:
    code, message = refused(agent, "CVE-2026-9999")

    assert code == ExitCode.USAGE
    assert "lib" in message  # whose changelog could not be read


def test_from_stale_lists_it_is_unknown_whether_a_fix_is_pending(agent: Agent) -> None:
    agent.verified(hours=100)

    assert refused(agent, "CVE-2026-9999", refresh=False)[0] == ExitCode.STALE


def test_a_fix_that_is_no_security_update_is_installed_with_the_scope_of_all_updates(agent: Agent) -> None:
    agent.machine.offer(Offer(package="tool", security=False))
    agent.machine.cves["tool"] = changelog("CVE-2026-4444")

    code, _ = refused(agent, "CVE-2026-4444")
    done = agent.upgrade(Scope.ALL, only=["CVE-2026-4444"])

    assert code in {ExitCode.FAILED, ExitCode.USAGE}
    assert names(done.upgraded) == ["tool"]


def test_a_replan_keeps_to_the_cve(agent: Agent) -> None:
    agent.machine.before_install.append(lambda: agent.machine.put("a", 2))

    assert names(agent.upgrade(only=[CVE]).upgraded) == ["b"]


def test_a_fix_that_soaks_is_installed_at_once_and_that_is_told(agent: Agent) -> None:
    agent.policy = replace(agent.policy, soak=SoakPolicy(security=timedelta(days=7)))
    waits = agent.upgrade()

    done = agent.upgrade(only=[CVE])

    assert {held.why for held in waits.held} == {Why.SOAKING}
    assert sorted(names(done.upgraded)) == ["a", "b", "lib"]
    assert {"a", "b"} <= {one.package for one in done.overridden}
