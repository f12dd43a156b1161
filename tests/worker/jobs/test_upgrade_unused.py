"""`security.remove_unused = "new"`: what a run makes unneeded is removed after it, and nothing else."""

from pathlib import Path

import pytest

from agent.core.model.outcome import Result, Stage
from agent.core.policy.policy import RemoveUnused
from agent.errors import AgentError, BusyError, PlanChangedError, StoppedError
from agent.state.documents.outcome import outcome_from_document
from tests.core import given
from tests.support.simulated import Killed, Offer
from tests.worker.jobs.simulator import Agent, names, raising


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    """Return an agent on a machine where the next version of `app` needs `lib1` no more; `old` was unneeded before."""
    made = Agent(tmp_path / "state")
    made.policy = given.policy(remove_unused=RemoveUnused.NEW)
    made.machine.put("lib1", 1)
    made.machine.put("old", 1)
    made.machine.unneeded = {"old"}
    made.machine.frees = (("app", "lib1"),)
    made.machine.offer(Offer(package="app", needs=("lib2",)))
    made.machine.lists.append(Offer(package="lib2"))
    made.machine.publish(Offer(package="lib2"))
    return made


def test_what_the_run_makes_unneeded_is_removed_after_it_in_a_transaction_of_its_own(agent: Agent) -> None:
    done = agent.upgrade()

    assert (done.result, names(done.removed_unused), done.removed) == (Result.UPDATED, ["lib1"], ())
    assert agent.machine.done[-3:] == ["install app lib2", "repair", "remove lib1"]
    assert set(agent.machine.packages) == {"app", "lib2", "old"}
    assert agent.upgrade().result is Result.UP_TO_DATE


def test_the_plan_shows_it_and_its_id_counts_it(agent: Agent) -> None:
    plan = agent.check()
    agent.policy = given.policy()

    assert names(plan.unused) == ["lib1"]
    assert [part.text("package") for part in agent.last_plan().children("unused")] == ["lib1"]
    assert agent.check().id != plan.id


def test_by_default_nothing_is_removed(agent: Agent) -> None:
    agent.policy = given.policy()

    assert agent.upgrade().result is Result.UPDATED
    assert "lib1" in agent.machine.packages


def test_it_is_on_record(agent: Agent) -> None:
    plan = agent.check()
    done = agent.upgrade()
    document = agent.last_run()

    assert document.texts("removed") == ["lib1:amd64"]
    assert [one.text("reason") for one in document.children("unused")] == [plan.unused[0].reason]
    read, _ = outcome_from_document(document)
    assert [one.id for one in read.removed_unused] == [one.id for one in done.removed_unused]
    assert read.removed == ()


def test_a_removal_that_fails_degrades_the_run(agent: Agent) -> None:
    agent.machine.fails = {"lib1": Stage.REMOVE}

    done = agent.upgrade()

    assert (done.result, done.failed, done.removed_unused) == (Result.DEGRADED, (), ())
    assert "lib1" in done.message
    assert agent.upgrade().result is Result.UP_TO_DATE


def test_a_lock_that_is_taken_after_the_upgrade_degrades_the_run(agent: Agent) -> None:
    agent.machine.before_install.append(lambda: agent.machine.before_remove.append(take_lock))

    def take_lock() -> None:
        agent.machine.put("lib1", 3)

    done = agent.upgrade()

    assert (done.result, names(done.upgraded)) == (Result.DEGRADED, ["app", "lib2"])
    assert "lib1" in agent.machine.packages


def test_after_a_failure_nothing_is_removed(agent: Agent) -> None:
    agent.machine.fails = {"app": Stage.CONFIGURE}

    done = agent.upgrade()

    assert done.result is Result.FAILED
    assert "lib1" in agent.machine.packages
    assert "lib1" in done.message


def test_after_a_stop_nothing_is_removed(agent: Agent) -> None:
    def stop() -> None:
        agent.stop = lambda: "on request"

    agent.machine.before_install.append(stop)

    agent.upgrade()

    assert "lib1" in agent.machine.packages


def test_what_is_needed_again_meanwhile_stays(agent: Agent) -> None:
    agent.machine.before_install.append(lambda: setattr(agent.machine, "frees", ()))

    assert agent.upgrade().result is Result.UPDATED
    assert "lib1" in agent.machine.packages


def test_what_no_plan_showed_stays(agent: Agent) -> None:
    agent.machine.put("extra", 1)
    agent.machine.before_install.append(lambda: agent.machine.unneeded.add("extra"))

    assert names(agent.upgrade().removed_unused) == ["lib1"]
    assert "extra" in agent.machine.packages


def test_a_run_that_plans_again_removes_what_its_first_plan_made_unneeded(agent: Agent) -> None:
    agent.machine.offer("b")
    agent.machine.before_install.append(lambda: agent.machine.put("b", 2))

    assert names(agent.upgrade().removed_unused) == ["lib1"]


def test_a_run_of_some_packages_removes_only_what_these_make_unneeded(agent: Agent) -> None:
    agent.machine.put("lib3", 1)
    agent.machine.frees = (("app", "lib1"), ("b", "lib3"))
    agent.machine.offer("b")

    part = agent.check(only=["b"])
    done = agent.upgrade(only=["b"], plan_id=part.id)

    assert names(part.unused) == names(done.removed_unused) == ["lib3"]
    assert "lib1" in agent.machine.packages


def test_a_requested_plan_is_another_once_something_else_becomes_unneeded(agent: Agent) -> None:
    plan = agent.check()
    agent.machine.on_hold.add("lib1")

    with pytest.raises(PlanChangedError, match="lib1"):
        agent.upgrade(plan_id=plan.id, refresh=False)


def test_a_kill_between_upgrade_and_removal_leaves_it(agent: Agent) -> None:
    agent.machine.before_remove.append(raising(Killed()))

    with pytest.raises(Killed):
        agent.upgrade()

    assert agent.upgrade().result is Result.UP_TO_DATE
    assert "lib1" in agent.machine.packages


def test_a_removal_that_was_killed_and_that_dpkg_finished_is_on_record(agent: Agent) -> None:
    def outlive() -> None:
        agent.machine.take_away("lib1")
        raise Killed

    agent.machine.before_remove.append(outlive)
    with pytest.raises(Killed):
        agent.upgrade()
    underway = [part.text("package") for part in agent.last_run().children("underway_unused")]

    agent.upgrade()

    interrupted = agent.last_run(back=1)
    assert underway == ["lib1"]
    assert interrupted.texts("removed") == ["lib1:amd64"]
    assert [part.text("package") for part in interrupted.children("unused")] == ["lib1"]
    assert "1 of 1 packages were removed" in interrupted.text("message")
    assert "underway_unused" not in interrupted.raw


@pytest.mark.parametrize("error", [StoppedError("stopped while waiting"), BusyError("apt-get (pid 812)")])
def test_a_removal_that_waits_in_vain_for_the_lock_leaves_the_upgrade_done(agent: Agent, error: AgentError) -> None:
    agent.machine.before_remove.append(raising(error))

    done = agent.upgrade()

    assert (done.result, names(done.upgraded)) == (Result.DEGRADED, ["app", "lib2"])
    assert (done.removed_unused, "lib1" in done.message) == ((), True)
    assert "underway_unused" not in agent.last_run().raw


def test_the_way_back_brings_it_back(agent: Agent) -> None:
    undo = agent.upgrade().undo

    assert undo is not None
    assert {"app=1", "lib1=1", "lib2-"} <= set(undo.command.split())
