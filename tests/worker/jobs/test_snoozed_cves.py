"""Rules that name a CVE count in every scope and in each plan of a run; a plan that is shown is that of the run."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.core.job_kinds import JobKind
from agent.core.model.outcome import Outcome
from agent.core.model.plan import Plan, Why
from agent.core.model.scope import Scope
from agent.core.packages.cves import ChangelogFindings
from agent.core.policy.policy import PrefetchMode, SoakPolicy
from agent.state.waiting_record import WaitingRecord
from agent.worker.jobs import check as check_job
from agent.worker.jobs.check import check
from agent.worker.protocol import JobRequest
from tests.core import given
from tests.support.simulated import Offer
from tests.worker.jobs.simulator import Agent, names

DAY = timedelta(days=1)
CVE = "CVE-2026-0001"
FIXES = ChangelogFindings(cves=(CVE,), security_upload=True, complete=True)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    """Return an agent on a machine on which the CVE is snoozed; `tool`, no security update, fixes nothing else."""
    made = Agent(tmp_path / "state")
    with_fetch_ahead(made, PrefetchMode.SECURITY).machine.offer(Offer(package="tool", security=False))
    made.machine.cves["tool"] = FIXES
    now = made.machine.now()
    one = given.snooze(CVE, until=now + 30 * DAY, at=now)
    WaitingRecord(made.store).update_snoozes(lambda before: (*before, one), now)
    return made


def with_fetch_ahead(agent: Agent, mode: PrefetchMode, soak: SoakPolicy | None = None) -> Agent:
    agent.policy = given.policy(**({"soak": soak} if soak else {}))
    agent.policy = replace(agent.policy, apt=replace(agent.policy.apt, fetch_ahead=mode))
    return agent


def files(agent: Agent) -> dict[str, bytes]:
    found = Path(agent.store.directory).rglob("*")
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in found}


def whys(done: Plan | Outcome) -> dict[str, Why]:
    return {item.package: item.why for item in done.held}


@pytest.mark.parametrize("mode", PrefetchMode)
@pytest.mark.parametrize("scope", [Scope.ALL, Scope.PROVISION])
def test_an_update_that_is_no_security_update_is_held_too(agent: Agent, scope: Scope, mode: PrefetchMode) -> None:
    done = with_fetch_ahead(agent, mode).upgrade(scope)

    assert (names(done.upgraded), whys(done)) == ([], {"tool": Why.SNOOZED})


@pytest.mark.parametrize("mode", PrefetchMode)
def test_an_update_that_is_no_security_update_is_exempt_from_the_soak_by_its_cve(
    agent: Agent, mode: PrefetchMode
) -> None:
    agent.machine.cves["tool"] = replace(FIXES, cves=("CVE-2026-0002",))
    soak = SoakPolicy(other=7 * DAY, override=("CVE-2026-0002",))

    assert names(with_fetch_ahead(agent, mode, soak).upgrade(Scope.ALL).upgraded) == ["tool"]


def test_a_dry_run_shows_what_a_run_holds_and_keeps_no_archive(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.cves["a"] = FIXES
    agent.verified(hours=1)

    plan = agent.check(Scope.ALL, refresh=False, remember=False)

    assert (names(plan.install), whys(plan)) == ([], {"a": Why.SNOOZED, "tool": Why.SNOOZED})
    assert agent.machine.downloaded == set()


@pytest.mark.parametrize("packages", [(), ("a",), (CVE,)], ids=["all", "a-package", "a-cve"])
@pytest.mark.parametrize("mode", PrefetchMode)
def test_a_dry_run_changes_no_file(agent: Agent, mode: PrefetchMode, packages: tuple[str, ...]) -> None:
    agent.machine.offer("a", "b")
    agent.machine.cves.update(a=replace(FIXES, cves=(CVE, "CVE-2026-0002")), b=FIXES)
    agent.verified(hours=1)
    before = files(agent)
    dry = JobRequest(
        kind=JobKind.CHECK, scope=Scope.ALL, refresh=False, remember=False, packages=packages, state_dir=""
    )

    plan: Any = check_job.run(dry, with_fetch_ahead(agent, mode).context).document

    assert [(one["package"], one["cves"]) for one in plan["install"]] == [("a", [CVE, "CVE-2026-0002"])]
    assert packages or {one["package"]: one["why"] for one in plan["held"]} == {"b": "snoozed", "tool": "snoozed"}
    assert files(agent) == before


@pytest.mark.parametrize("refresh", [True, False])
@pytest.mark.parametrize("scope", [Scope.SECURITY, Scope.ALL])
def test_the_plan_that_a_person_agreed_to_is_carried_out(agent: Agent, scope: Scope, *, refresh: bool) -> None:
    agent.machine.offer("a", "b")
    agent.machine.cves["a"] = FIXES
    agent.verified(hours=1)

    plan = check(agent.context, scope, refresh=refresh, prefetching=False)
    done = agent.upgrade(scope, refresh=False, plan_id=plan.id)

    assert names(plan.install) == names(done.upgraded) == ["b"]
    assert whys(plan)["a"] is whys(done)["a"] is Why.SNOOZED


def test_a_lower_version_that_takes_the_place_of_a_held_one_is_read_too(agent: Agent) -> None:
    agent.machine.offer(Offer(package="a", version=2), Offer(package="a", version=3, security=False))
    agent.machine.cves["a"] = FIXES

    done = agent.upgrade(Scope.ALL)

    assert (names(done.upgraded), set(whys(done).values())) == ([], {Why.SNOOZED})


def test_a_version_that_appears_during_the_run_is_read_before_it_is_installed(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.machine.cves["a"] = FIXES
    agent.check()
    agent.machine.downloaded.clear()

    def move_on() -> None:
        """Supersede both: the archive of the old `b` is gone, which has the run refresh the lists."""
        agent.machine.publish(Offer(package="a", version=3), Offer(package="b", version=3))

    agent.machine.before_fetch.append(move_on)
    done = agent.upgrade()

    assert (names(done.upgraded), whys(done)) == (["b"], {"a": Why.SNOOZED})
    assert agent.machine.versions()["b"] == "3"


@pytest.mark.parametrize(
    ("scope", "soak"),
    [
        (Scope.PROVISION, SoakPolicy(other=7 * DAY, override=(CVE,))),
        (Scope.ALL, SoakPolicy(security=7 * DAY, override=(CVE,))),
    ],
    ids=["a-new-server-soaks-nothing", "its-class-does-not-soak"],
)
def test_where_nothing_waits_no_changelog_is_read_for_an_exemption(
    agent: Agent, scope: Scope, soak: SoakPolicy
) -> None:
    agent.machine.time += 30 * DAY  # the snooze is over

    done = with_fetch_ahead(agent, PrefetchMode.SECURITY, soak).upgrade(scope)

    assert (names(done.upgraded), agent.machine.read_ahead) == (["tool"], [])


def test_a_changelog_that_cannot_be_read_is_tried_once_in_a_plan(agent: Agent) -> None:
    agent.machine.offer("a", "b", "c")
    agent.machine.cves["a"] = FIXES
    agent.check(refresh=False)
    agent.machine.missing = {"b", "c"}

    plan = check(agent.context, Scope.SECURITY, refresh=True, prefetching=False)

    assert (names(plan.install), whys(plan)) == (["b", "c"], {"a": Why.SNOOZED})
    assert agent.progress.count("reading the changelogs of the pending updates") == 1
