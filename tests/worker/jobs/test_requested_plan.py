"""`--plan ID`: exactly that plan is executed, or nothing is done and recorded and the difference is named."""

from pathlib import Path

import pytest

from agent.core.model.outcome import Result
from agent.core.model.plan import Plan
from agent.core.model.scope import Scope
from agent.core.policy.policy import Conffiles
from agent.errors import ExitCode, HostError, PlanChangedError
from agent.state.record import Record
from tests.core import given
from tests.support.simulated import ARCHITECTURE, Killed, Offer
from tests.worker.jobs.simulator import Agent, names, raising


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(tmp_path / "state")


def refused(agent: Agent, plan: Plan | str, scope: Scope = Scope.SECURITY) -> str:
    """Return the message of a run that is refused; nothing of it may be left."""
    before = agent.machine.versions(), agent.store.run_ids()
    with pytest.raises(PlanChangedError) as error:
        agent.upgrade(scope, plan_id=plan if isinstance(plan, str) else plan.id)
    assert error.value.exit_code is ExitCode.CHANGED
    assert (agent.machine.versions(), agent.store.run_ids()) == before
    return str(error.value)


def test_the_requested_plan_is_executed(agent: Agent) -> None:
    agent.machine.offer("a")
    shown = agent.check()

    done = agent.upgrade(plan_id=shown.id)

    assert done.result is Result.UPDATED
    assert shown.install == done.upgraded


def test_a_newer_version_is_named_with_the_requested_one(agent: Agent) -> None:
    agent.machine.offer("a")
    shown = agent.check()
    agent.machine.publish(Offer(package="a", version=3))

    assert f"a:{ARCHITECTURE} 1 -> 3 (was 1 -> 2)" in refused(agent, shown)


def test_a_package_that_came_is_named(agent: Agent) -> None:
    agent.machine.offer("a")
    shown = agent.check()
    agent.machine.offer("b")

    message = refused(agent, shown)

    assert f"new: b:{ARCHITECTURE} 1 -> 2" in message
    assert f"a:{ARCHITECTURE}" not in message


def test_a_package_that_went_is_named_with_what_holds_it(agent: Agent) -> None:
    agent.machine.offer("a", "b", "c")
    shown = agent.check()
    agent.machine.on_hold = {"a"}
    agent.machine.put("b", 2)

    message = refused(agent, shown)

    assert f"a:{ARCHITECTURE} 1 -> 2 (held back now: held-by-admin)" in message
    assert f"b:{ARCHITECTURE} 1 -> 2 (not pending now)" in message
    assert f"c:{ARCHITECTURE}" not in message


def test_an_unfinished_package_is_named_with_its_state(agent: Agent) -> None:
    agent.machine.offer("a")
    shown = agent.check()
    agent.machine.put("b", 1, "half-configured")
    agent.machine.journal = True

    message = refused(agent, shown)

    assert f"b:{ARCHITECTURE} half-configured" in message
    assert "dpkg interrupted" in message


def test_a_plan_of_another_scope_is_another_plan(agent: Agent) -> None:
    agent.machine.offer("a")
    shown = agent.check(Scope.ALL)

    assert "has all updates, this one security updates" in refused(agent, shown)


@pytest.mark.parametrize("plan_id", ["abc", "", "0" * 12, "ü\n", "x" * 1000])
def test_an_id_that_never_was_is_said_to_be_unknown(agent: Agent, plan_id: str) -> None:
    agent.machine.offer("a")
    agent.check()

    message = refused(agent, plan_id)

    assert f"not {plan_id[:40]!r}, which is not on record" in message
    assert "Changed since" not in message


def test_a_plan_that_only_a_dry_run_has_shown_is_not_said_to_be_unheard_of(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.verified(hours=1)
    shown = agent.check(Scope.ALL, refresh=False, remember=False, only=["a"])
    agent.machine.publish(Offer(package="a", version=3))

    message = refused(agent, shown, Scope.ALL)

    assert f"not '{shown.id}', which is not on record (plans on record: 1; a dry run leaves none)" in message


def test_a_long_difference_is_cut(agent: Agent) -> None:
    shown = agent.check()
    agent.machine.offer(*[f"p{number:03}" for number in range(400)])

    message = refused(agent, shown)

    assert "and 388 more" in message
    assert len(message) < 1000


def test_a_check_with_a_plan_is_refused_alike(agent: Agent) -> None:
    """The id of a plan that has gone is compared with what `check` finds, too: `upgrade --dry-run --plan`."""
    agent.machine.offer("a")
    shown = agent.check()
    agent.machine.publish(Offer(package="a", version=3))
    agent.check()

    assert f"a:{ARCHITECTURE} 1 -> 3 (was 1 -> 2)" in refused(agent, shown)


def test_a_refused_run_leaves_an_interrupted_one_to_the_next(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    shown = agent.check()

    def installed_then_killed() -> None:
        agent.machine.put("a", 2)
        raise Killed

    agent.machine.before_install.append(installed_then_killed)
    with pytest.raises(Killed):
        agent.upgrade()
    interrupted = agent.last_run().raw

    refused(agent, shown)

    assert agent.last_run().raw == interrupted
    assert names(agent.upgrade().upgraded) == ["b"]
    assert [part.text("package") for part in agent.last_run(back=1).children("upgraded")] == ["a"]


def test_a_kill_while_the_plan_is_compared_leaves_no_run(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    agent.machine.offer("a")
    shown = agent.check()

    with monkeypatch.context() as patch:
        patch.setattr(agent.machine, "open", lambda *_arguments: raising(Killed())())
        with pytest.raises(Killed):
            agent.upgrade(plan_id=shown.id)

    assert agent.store.run_ids() == []
    assert agent.upgrade(plan_id=shown.id).result is Result.UPDATED


def test_a_machine_that_cannot_be_observed_leaves_a_failed_run(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    agent.machine.offer("a")
    shown = agent.check()
    monkeypatch.setattr(agent.machine, "open", lambda *_arguments: raising(HostError("no lists"))())

    done = agent.upgrade(plan_id=shown.id)

    assert (done.result, done.message) == (Result.FAILED, "no lists")
    assert agent.last_run().text("id") == done.id


# what changes while the run goes on


def test_packages_that_come_during_the_run_are_not_installed(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    shown = agent.check()

    def change() -> None:
        agent.machine.put("b", 2)
        agent.machine.offer("c")

    agent.machine.before_install.append(change)

    done = agent.upgrade(plan_id=shown.id)

    assert names(done.upgraded) == ["a"]
    assert agent.machine.versions() == {"a": "2", "b": "2", "c": "1"}
    assert done.result is Result.DEGRADED


def test_a_version_that_comes_during_the_run_is_not_installed(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    shown = agent.check()

    def supersede() -> None:
        agent.machine.publish(Offer(package="a", version=3))
        agent.machine.lists = list(agent.machine.archive)

    agent.machine.before_install.append(supersede)

    done = agent.upgrade(plan_id=shown.id)

    assert names(done.upgraded) == ["b"]
    assert agent.machine.versions() == {"a": "1", "b": "2"}


def test_the_lists_are_not_fetched_again_for_a_missing_package(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    shown = agent.check()
    agent.machine.missing = {"a"}

    done = agent.upgrade(plan_id=shown.id)

    assert agent.machine.done.count("refresh") == 2
    assert names(done.upgraded) == ["b"]
    assert names(done.held) == ["a"]


def test_a_package_that_is_held_for_its_conffile_holds_the_rest_of_the_plan_not(agent: Agent) -> None:
    agent.policy = given.policy(conffiles=Conffiles.HOLD)
    agent.machine.offer("a", "b")
    agent.machine.asks = {"a": "/etc/a was changed"}
    shown = agent.check()

    assert names(agent.upgrade(plan_id=shown.id).upgraded) == ["b"]


# the record


def test_the_last_plans_are_kept_within_bounds(agent: Agent) -> None:
    for number in range(30):
        agent.machine.offer(f"p{number:03}")
        agent.check()
    ids = [work.id for work in Record(agent.store).last_plans()]

    assert len(ids) == len(set(ids)) == 16
    assert ids[0] == agent.check().id


def test_plans_of_many_packages_take_the_place_of_older_ones(agent: Agent) -> None:
    for packages in (["small"], [f"large-{place}" for place in range(2600)], ["one-more"]):
        agent.machine.offer(*packages)
        agent.check()

    # 5,000 packages are kept in all.
    assert [len(work.install) for work in Record(agent.store).last_plans()] == [2602]


def test_the_same_plan_is_written_once(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.check()
    written = Path(agent.store.path("plans")).stat().st_ino

    agent.check()

    assert Path(agent.store.path("plans")).stat().st_ino == written


@pytest.mark.parametrize("damage", ["", "{", '{"schema": "maestro.plans/1"}', '{"schema": "maestro.plans/2"}'])
def test_a_damaged_document_of_plans_is_as_none(agent: Agent, damage: str) -> None:
    agent.machine.offer("a")
    shown = agent.check()
    agent.machine.publish(Offer(package="a", version=3))
    Path(agent.store.path("plans")).write_text(damage)

    assert f"not '{shown.id}', which is not on record" in refused(agent, shown)
