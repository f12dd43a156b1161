"""`upgrade PACKAGE…`: only these packages and what they need; a name that is not in the plan does nothing at all."""

from pathlib import Path

import pytest

from agent.core.model.facts import Reboot
from agent.core.model.outcome import Result, Stage
from agent.core.model.scope import Scope
from agent.core.policy.policy import Conffiles
from agent.errors import ExitCode, NotInPlanError, PlanChangedError
from tests.core import given
from tests.support.simulated import ARCHITECTURE, Offer
from tests.worker.jobs.simulator import Agent, failing, names


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(tmp_path / "state")


def refused(agent: Agent, *requested: str, scope: Scope = Scope.SECURITY, refresh: bool = True) -> tuple[int, str]:
    """Return exit code and message of a request that is refused; nothing of it may be left."""
    before = agent.machine.versions(), agent.store.run_ids()
    with pytest.raises(NotInPlanError) as error:
        agent.upgrade(scope, only=requested, refresh=refresh)
    assert (agent.machine.versions(), agent.store.run_ids()) == before
    with pytest.raises(NotInPlanError):
        agent.check(scope, only=requested, refresh=refresh, remember=False)
    return error.value.exit_code, str(error.value)


def test_only_the_requested_package_is_installed(agent: Agent) -> None:
    agent.machine.offer("a", "b", "c")

    done = agent.upgrade(only=["b"])

    assert (done.result, names(done.upgraded)) == (Result.UPDATED, ["b"])
    assert agent.machine.versions() == {"a": "1", "b": "2", "c": "1"}
    assert [run for run in agent.machine.done if run.startswith(("fetch", "install"))] == ["fetch b", "install b"]


def test_what_a_requested_package_needs_is_installed_with_it(agent: Agent) -> None:
    agent.machine.offer(Offer(package="a", needs=("lib",)), "b", "lib")

    assert names(agent.upgrade(only=["a"]).upgraded) == ["a", "lib"]


def test_several_packages_are_requested_each_once(agent: Agent) -> None:
    agent.machine.offer("a", "b", "c")

    done = agent.upgrade(only=["c", "a", f"c:{ARCHITECTURE}", "c"])

    assert sorted(names(done.upgraded)) == ["a", "c"]
    assert done.requested == ("c", "a", f"c:{ARCHITECTURE}")


@pytest.mark.parametrize("name", ["a", f"a:{ARCHITECTURE}", "a:all"])
def test_a_package_may_be_named_with_its_architecture(agent: Agent, name: str) -> None:
    agent.machine.offer("a", "b")

    assert names(agent.upgrade(only=[name]).upgraded) == ["a"]


def test_the_outcome_says_that_the_run_was_limited(agent: Agent) -> None:
    agent.machine.offer("a", "b")

    agent.upgrade(only=["a"])

    assert agent.last_run().texts("requested") == ["a"]


def test_the_record_shows_what_is_left(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.machine.on_hold = {"c"}
    agent.machine.offer("c")

    done = agent.upgrade(only=["a"])

    assert [part.text("package") for part in agent.last_plan().children("install")] == ["b"]
    assert [part.text("package") for part in agent.last_plan().children("held")] == ["c"]
    assert (done.result, done.held) == (Result.UPDATED, ())


def test_obsolete_kernels_are_left_to_a_whole_run(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.running = "6.1.0-2-amd64"
    for number in (1, 2, 3):
        agent.machine.put(f"linux-image-6.1.0-{number}-amd64", number)
    agent.machine.unneeded = {"linux-image-6.1.0-1-amd64"}
    assert agent.check().remove

    done = agent.upgrade(only=["a"])

    assert (names(done.upgraded), done.removed_kernels) == (["a"], ())
    assert agent.check().remove


def test_what_dpkg_left_unfinished_is_finished_first(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.machine.put("c", 1, "half-configured")

    done = agent.upgrade(only=["a"])

    assert (names(done.upgraded), names(done.repaired)) == (["a"], ["c"])


def test_an_update_of_another_scope_is_requested_with_that_scope(agent: Agent) -> None:
    agent.machine.offer(Offer(package="a", security=False), "b")

    code, message = refused(agent, "a")

    assert code == ExitCode.FAILED
    assert "not a security update" in message
    assert names(agent.upgrade(Scope.ALL, only=["a"]).upgraded) == ["a"]


# names that are not in the plan


def test_an_unknown_name_is_a_usage_error_with_similar_names(agent: Agent) -> None:
    agent.machine.offer("nginx")

    code, message = refused(agent, "nginy")

    assert code == ExitCode.USAGE
    assert "did you mean nginx?" in message


@pytest.mark.parametrize("name", ["", "-o", "A", "a b", "\udc80", "a\0", "a:b:c", "ü", "a*", "n" * 5000])
def test_what_is_no_name_at_all_is_a_usage_error(agent: Agent, name: str) -> None:
    agent.machine.offer("a")

    code, message = refused(agent, "a", name)

    assert code == ExitCode.USAGE
    assert len(message) < 300


def test_another_architecture_is_a_usage_error(agent: Agent) -> None:
    agent.machine.offer("a")

    assert refused(agent, "a:riscv64")[0] == ExitCode.USAGE


def test_a_package_that_is_not_installed_is_a_usage_error(agent: Agent) -> None:
    agent.machine.lists.append(Offer(package="new"))
    agent.verified(hours=1)

    assert refused(agent, "new", refresh=False)[0] == ExitCode.USAGE


def test_a_held_package_has_its_reason(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.machine.on_hold = {"a"}

    code, message = refused(agent, "a", "b")

    assert code == ExitCode.ATTENTION
    assert "a: held back: " in message
    assert "`apt-mark unhold a`" in message


def test_a_package_that_is_up_to_date_is_said_to_be(agent: Agent) -> None:
    agent.machine.put("a", 1)

    code, message = refused(agent, "a")

    assert code == ExitCode.FAILED
    assert "a: up to date (1)" in message


def test_whether_a_package_is_up_to_date_is_unknown_from_stale_lists(agent: Agent) -> None:
    agent.machine.put("a", 1)
    agent.verified(hours=100)

    assert refused(agent, "a", refresh=False)[0] == ExitCode.STALE


def test_every_name_has_its_reason_and_the_worst_is_the_exit_code(agent: Agent) -> None:
    agent.machine.offer("held", "pending")
    agent.machine.put("current", 1)
    agent.machine.on_hold = {"held"}

    code, message = refused(agent, "pending", "held", "current", "unknown-name")

    assert code == ExitCode.USAGE
    assert all(f"{name}: " in message for name in ("held", "current", "unknown-name"))
    assert "pending: " not in message


# with --plan and --dry-run


def test_a_limited_plan_has_an_id_of_its_own_that_can_be_requested(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    whole, part = agent.check(), agent.check(only=["a"])

    with pytest.raises(PlanChangedError):
        agent.upgrade(only=["a"], plan_id=whole.id)
    done = agent.upgrade(only=["a"], plan_id=part.id)

    assert (part.requested, names(part.install)) == (("a",), ["a"])
    assert names(done.upgraded) == ["a"]


def test_the_difference_is_named_for_a_limited_plan_too(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    part = agent.check(only=["a"])
    agent.machine.publish(Offer(package="a", version=3))

    with pytest.raises(PlanChangedError, match=rf"a:{ARCHITECTURE} 1 -> 3 \(was 1 -> 2\)"):
        agent.upgrade(only=["a"], plan_id=part.id)


def test_the_whole_plan_stays_the_recorded_one(agent: Agent) -> None:
    agent.machine.offer("a", "b")

    agent.check(only=["a"])

    assert agent.last_plan().count("install") == 2
    assert agent.last_plan().optional_texts("requested") is None


# what goes wrong while the run goes on


def test_a_requested_package_that_fails_is_a_failure(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.machine.fails = {"a": Stage.CONFIGURE}

    done = agent.upgrade(only=["a"])

    assert (done.result, names(done.failed)) == (Result.FAILED, [f"a:{ARCHITECTURE}"])
    assert agent.machine.versions()["b"] == "1"


def test_a_requested_package_that_is_held_during_the_run_is_listed(agent: Agent) -> None:
    agent.policy = given.policy(conffiles=Conffiles.HOLD)
    agent.machine.offer("a", "b", "c")
    agent.machine.asks = {"a": "/etc/a was changed", "c": "/etc/c was changed"}

    done = agent.upgrade(only=["a", "b"])

    assert (done.result, names(done.upgraded), names(done.held)) == (Result.DEGRADED, ["b"], ["a"])


def test_a_replan_stays_limited(agent: Agent) -> None:
    agent.machine.offer("a", "b")

    def change() -> None:
        agent.machine.offer("c")
        agent.machine.publish(Offer(package="a", version=3))
        agent.machine.lists = list(agent.machine.archive)

    agent.machine.before_install.append(change)

    done = agent.upgrade(only=["a"])

    assert [(step.package, step.candidate) for step in done.upgraded] == [("a", "3")]
    assert agent.machine.versions() == {"a": "3", "b": "1", "c": "1"}


def test_the_verdict_knows_lists_and_reboot_as_ever(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.machine.required_reboot = Reboot(required=True)
    agent.machine.refresh_errors = (failing("ppa", security=False),)

    done = agent.upgrade(only=["a"])

    assert done.result is Result.DEGRADED
    assert done.reboot == Reboot(required=True)
