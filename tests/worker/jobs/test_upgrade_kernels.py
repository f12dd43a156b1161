"""Removal of obsolete kernels by a run on a simulated machine."""

import itertools
from pathlib import Path

import pytest

from agent.core.model.facts import PackageState
from agent.core.model.kernels import Dependency
from agent.core.model.outcome import Result, Stage
from agent.core.model.scope import Scope
from agent.errors import HostError, PlanChangedError
from tests.core import given
from tests.support.simulated import Killed, Offer, package_id
from tests.worker.jobs.simulator import Agent, names, raising

OLD, OLDER, RUNNING, NEWEST = (f"linux-image-6.1.0-{number}-amd64" for number in (2, 1, 3, 4))


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    """Return an agent on a machine with four kernels, running the third; apt marks the first two as garbage."""
    made = Agent(tmp_path / "state")
    for version, name in enumerate((OLDER, OLD, RUNNING, NEWEST), start=1):
        made.machine.put(name, version)
    made.machine.running = "6.1.0-3-amd64"
    made.machine.unneeded = {OLDER, OLD}
    return made


def test_obsolete_kernels_are_removed_without_other_work(agent: Agent) -> None:
    agent.machine.put("a", 1)

    done = agent.upgrade()

    assert (done.result, names(done.removed_kernels), done.removed) == (Result.UPDATED, [OLDER, OLD], ())
    assert set(agent.machine.packages) == {RUNNING, NEWEST, "a"}
    assert agent.machine.done == ["refresh", f"remove {OLDER} {OLD}"]
    assert agent.upgrade().result is Result.UP_TO_DATE


def test_obsolete_kernels_are_removed_before_the_download(agent: Agent) -> None:
    agent.machine.offer("a")

    done = agent.upgrade()

    assert done.result is Result.UPDATED
    assert agent.machine.done == ["refresh", f"remove {OLDER} {OLD}", "fetch a", "install a"]


def test_a_check_lists_obsolete_kernels_and_removes_none(agent: Agent) -> None:
    plan = agent.check()

    assert names(plan.remove) == [OLDER, OLD]
    assert agent.machine.done == ["refresh"]
    assert [part.text("package") for part in agent.last_plan().children("remove")] == [OLDER, OLD]


def test_removed_kernels_are_recorded(agent: Agent) -> None:
    agent.upgrade()

    run = agent.last_run()

    assert run.texts("removed") == [f"{OLDER}:amd64", f"{OLD}:amd64"]
    assert [part.text("package") for part in run.children("superseded")] == [OLDER, OLD]
    assert agent.last_plan().count("remove") == 0


def test_obsolete_kernels_are_removed_in_either_scope(agent: Agent) -> None:
    assert names(agent.upgrade(Scope.ALL).removed_kernels) == [OLDER, OLD]


def test_obsolete_kernels_are_kept_if_disabled(agent: Agent) -> None:
    agent.policy = given.policy(remove_old_kernels=False)

    assert agent.upgrade().result is Result.UP_TO_DATE
    assert agent.machine.done == ["refresh"]


def test_a_plan_with_another_id_removes_nothing(agent: Agent) -> None:
    planned = agent.check().id
    agent.machine.put("linux-image-6.1.0-0-amd64", 0)
    agent.machine.unneeded.add("linux-image-6.1.0-0-amd64")

    with pytest.raises(PlanChangedError, match=r"linux-image-6\.1\.0-0-amd64:amd64 to be removed now"):
        agent.upgrade(plan_id=planned)

    assert OLDER in agent.machine.packages


def test_a_stop_before_the_removal_keeps_the_kernels(agent: Agent) -> None:
    agent.stop = lambda: "on request"

    assert agent.upgrade().removed_kernels == ()
    assert OLDER in agent.machine.packages


def test_a_new_kernel_does_not_remove_the_former_newest_in_the_same_run(agent: Agent) -> None:
    coming = "linux-image-6.1.0-5-amd64"
    agent.machine.packages["linux-image-amd64"] = PackageState(version="4", state="installed")
    agent.machine.publish(
        Offer(package="linux-image-amd64", version=5, needs=(coming,)), Offer(package=coming, version=5)
    )
    agent.machine.unneeded |= {RUNNING, NEWEST}  # as if apt protected none

    done = agent.upgrade()

    assert names(done.upgraded) == [coming, "linux-image-amd64"]
    assert names(done.removed_kernels) == [OLDER, OLD]
    assert {RUNNING, NEWEST, coming} <= set(agent.machine.packages)
    assert names(agent.upgrade().removed_kernels) == [NEWEST]


def test_a_failed_removal_affects_no_other_removal_and_no_update(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.fails[OLDER] = Stage.REMOVE

    done = agent.upgrade()

    assert done.result is Result.FAILED
    assert [(str(one.package), one.stage) for one in done.failed] == [(f"{OLDER}:amd64", Stage.REMOVE)]
    assert "pre-removal script" in done.failed[0].error
    assert (names(done.removed_kernels), names(done.upgraded)) == ([OLD], ["a"])


def test_removals_before_and_after_a_failed_one_are_reported(agent: Agent) -> None:
    last = "linux-image-6.1.0-2-rt-amd64"
    agent.machine.put(last, 2)
    agent.machine.unneeded.add(last)
    agent.machine.fails[OLD] = Stage.REMOVE

    done = agent.upgrade()

    assert agent.machine.done == ["refresh", f"remove {OLDER} {OLD} {last}", f"remove {last}"]
    assert names(done.removed_kernels) == [OLDER, last]


def test_dependencies_of_a_failed_removal_are_kept(agent: Agent) -> None:
    modules = "linux-modules-6.1.0-1-amd64"
    agent.machine.put(modules, 1)
    agent.machine.unneeded.add(modules)
    agent.machine.needs = (Dependency(package=package_id(OLDER), any_of=(package_id(modules),)),)
    agent.machine.fails[OLDER] = Stage.REMOVE

    done = agent.upgrade()

    assert [str(one.package) for one in done.failed] == [f"{OLDER}:amd64"]
    assert names(done.removed_kernels) == [OLD]
    assert modules in agent.machine.packages


def test_updates_are_installed_even_if_libapt_refuses_the_removal(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.before_remove.append(raising(HostError("libapt would do something else")))

    done = agent.upgrade()

    assert (done.result, names(done.upgraded), done.removed_kernels) == (Result.FAILED, ["a"], ())
    assert {one.error for one in done.failed} == {"libapt would do something else"}


def test_a_removal_that_was_killed_is_on_record_as_far_as_dpkg_came(agent: Agent) -> None:
    def outlive() -> None:
        agent.machine.take_away(OLDER)
        raise Killed

    agent.machine.before_remove.append(outlive)
    with pytest.raises(Killed):
        agent.upgrade()
    underway = [part.text("package") for part in agent.last_run().children("underway_superseded")]

    done = agent.upgrade()

    interrupted = agent.last_run(back=1)
    assert underway == [OLDER, OLD]
    assert [part.text("package") for part in interrupted.children("superseded")] == [OLDER]
    assert "1 of 2 packages were removed" in interrupted.text("message")
    assert names(done.removed_kernels) == [OLD]


def test_a_removal_is_planned_again_if_packages_changed(agent: Agent) -> None:
    agent.machine.before_remove.append(lambda: agent.machine.take_away(OLDER))

    done = agent.upgrade()

    assert (done.result, names(done.removed_kernels)) == (Result.UPDATED, [OLD])


def test_updates_are_installed_even_if_kernels_keep_changing(agent: Agent) -> None:
    agent.machine.offer("a")

    versions = itertools.cycle([0, 1])

    def change() -> None:
        agent.machine.put(OLDER, next(versions))

    agent.machine.before_remove.extend([change] * 20)

    done = agent.upgrade()

    assert (names(done.upgraded), done.removed_kernels) == (["a"], ())


def test_nothing_is_removed_while_another_program_holds_the_lock(agent: Agent) -> None:
    agent.verified(hours=1)
    agent.machine.holder = "apt-get (pid 812)"

    done = agent.upgrade(refresh=False)

    assert (done.result, done.removed_kernels) == (Result.BUSY, ())


def test_a_package_that_disappears_during_the_removal_is_reported_separately(agent: Agent) -> None:
    agent.machine.put("a", 1)
    agent.machine.before_remove.append(lambda: agent.machine.take_away("a"))

    done = agent.upgrade()

    assert (done.result, done.removed, names(done.removed_kernels)) == (
        Result.DEGRADED,
        (package_id("a"),),
        [OLDER, OLD],
    )
    assert agent.last_run().texts("removed") == ["a:amd64", f"{OLDER}:amd64", f"{OLD}:amd64"]
