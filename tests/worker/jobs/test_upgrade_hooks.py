"""Hooks of pre-upgrade.d and post-upgrade.d: once a run, before the first package, and after it whatever happens."""

from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.core.hooks import POST_UPGRADE, PRE_UPGRADE, HookVerdict
from agent.core.model.outcome import Result, Stage
from agent.errors import BusyError
from agent.host.machine.identity import host_id
from agent.report.event_source import EventSource
from agent.report.outbox.file import open_outbox
from agent.report.outbox.transaction import OutboxLimits
from agent.state.engine_interrupted import engine_interrupted
from agent.state.store import OWED_HOOKS
from tests.support.simulated import Killed
from tests.worker.jobs.simulator import Agent, names, raising

RAN = HookVerdict(ran=1)
DEFERRED = HookVerdict(ran=1, problem="pre-upgrade.d/10-drain: exit code 75", deferred=True)
FAILED = HookVerdict(ran=1, problem="pre-upgrade.d/10-drain: exit code 1")
FAILED_AFTER = HookVerdict(ran=1, problem="post-upgrade.d/10-fill: exit code 1")
NOT_STARTED = HookVerdict(ran=0, problem="pre-upgrade.d/10-drain: not run: it belongs to user 1000")


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    made = Agent(tmp_path / "state")
    made.hooks.verdicts = {PRE_UPGRADE: RAN, POST_UPGRADE: RAN}
    return made


def killed_in(agent: Agent, moment: str) -> None:
    """Kill an upgrade within its transaction, or in the hooks after it."""
    if moment == "within":
        agent.machine.before_install.append(raising(Killed()))
    else:
        agent.hooks.during[POST_UPGRADE] = raising(Killed())
    with pytest.raises(Killed):
        agent.upgrade()
    agent.hooks.during.clear()


def sent_results(agent: Agent, directory: Path) -> list[object]:
    """Return the result of each event of a run that an exporter has queued by now, oldest first."""
    limits = OutboxLimits(size=4_000_000, age=timedelta(days=7))
    with open_outbox(str(directory / "outbox"), host_id(), limits, agent.machine.now()) as outbox:
        EventSource(agent.store, str(directory / "run")).enqueue(outbox, timedelta(days=3650))
        events: list[Any] = [event for _, event in outbox.next_parsed(100, 10**7)]
    return [event["document"]["result"] for event in events if event["type"].endswith("outcome")]


def test_hooks_run_around_the_transactions_and_after_the_downloads(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.hooks.during[PRE_UPGRADE] = lambda: agent.machine.done.append("before")
    agent.hooks.during[POST_UPGRADE] = lambda: agent.machine.done.append("after")

    done = agent.upgrade()

    assert done.result is Result.UPDATED
    assert agent.machine.done == ["refresh", "fetch a", "before", "install a", "after"]
    assert not agent.store.has(OWED_HOOKS)


def test_the_hooks_get_what_is_installed_and_then_the_outcome(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.machine.missing = {"b"}

    done = agent.upgrade()

    plan, outcome = agent.hooks.documents[PRE_UPGRADE], agent.hooks.documents[POST_UPGRADE]
    assert (plan["schema"], [part["package"] for part in plan["install"]]) == ("maestro.plan/1", ["a"])  # type: ignore[attr-defined]
    assert (outcome["schema"], outcome["id"], outcome["result"]) == ("maestro.outcome/1", done.id, "degraded")


@pytest.mark.parametrize("present", [[PRE_UPGRADE], [POST_UPGRADE], [PRE_UPGRADE, POST_UPGRADE]])
def test_each_directory_is_run_without_the_other(agent: Agent, present: list[str]) -> None:
    agent.hooks.verdicts = dict.fromkeys(present, RAN)
    agent.machine.offer("a")

    agent.upgrade()

    assert agent.hooks.ran == [PRE_UPGRADE, POST_UPGRADE]


def test_without_hooks_nothing_is_recorded(agent: Agent) -> None:
    agent.hooks.verdicts = {}
    agent.machine.offer("a")
    agent.machine.before_install.append(lambda: owed.append(agent.store.has(OWED_HOOKS)))
    owed: list[bool] = []

    agent.upgrade()

    assert (agent.hooks.ran, owed) == ([], [False])


def test_a_run_that_installs_nothing_runs_no_hooks(agent: Agent) -> None:
    agent.machine.put("a", 1, "half-configured")

    done = agent.upgrade()

    assert done.result is Result.UPDATED
    assert agent.hooks.ran == []


def test_hooks_run_once_though_the_run_plans_again(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.machine.before_install.append(lambda: agent.machine.put("a", 2))

    assert names(agent.upgrade().upgraded) == ["b"]
    assert agent.hooks.ran == [PRE_UPGRADE, POST_UPGRADE]


def test_a_package_that_changes_while_hooks_run_is_planned_again(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.hooks.during[PRE_UPGRADE] = lambda: agent.machine.put("a", 2)

    done = agent.upgrade()

    assert (done.result, names(done.upgraded)) == (Result.UPDATED, ["b"])


@pytest.mark.parametrize(("verdict", "result"), [(DEFERRED, Result.DEFERRED), (FAILED, Result.FAILED)])
def test_a_hook_can_prevent_the_upgrade(agent: Agent, verdict: HookVerdict, result: Result) -> None:
    agent.machine.offer("a")
    agent.hooks.verdicts[PRE_UPGRADE] = verdict

    done = agent.upgrade()

    assert (done.result, done.upgraded) == (result, ())
    assert verdict.problem in done.message
    assert agent.machine.versions() == {"a": "1"}
    assert agent.hooks.ran == [PRE_UPGRADE, POST_UPGRADE]
    assert agent.hooks.documents[POST_UPGRADE]["result"] == result.value
    assert agent.last_run().text("result") == result.value


def test_hooks_after_it_are_not_owed_where_none_before_it_was_started(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.hooks.verdicts[PRE_UPGRADE] = NOT_STARTED

    assert agent.upgrade().result is Result.FAILED
    assert agent.hooks.ran == [PRE_UPGRADE]
    assert not agent.store.has(OWED_HOOKS)


def test_a_run_that_a_hook_deferred_succeeds_later(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.hooks.verdicts[PRE_UPGRADE] = DEFERRED
    agent.upgrade()
    agent.hooks.verdicts[PRE_UPGRADE] = RAN

    assert agent.upgrade().result is Result.UPDATED


@pytest.mark.parametrize("result", [Result.UPDATED, Result.FAILED])
def test_a_hook_that_fails_after_the_run_degrades_it(agent: Agent, result: Result) -> None:
    agent.machine.offer("a")
    agent.machine.fails = {"a": Stage.CONFIGURE} if result is Result.FAILED else {}
    agent.hooks.verdicts[POST_UPGRADE] = FAILED_AFTER

    done = agent.upgrade()

    assert done.result is (Result.DEGRADED if result is Result.UPDATED else result)
    assert FAILED_AFTER.problem in done.message
    assert agent.last_run().text("message") == done.message
    assert agent.last_run().text("problem") == FAILED_AFTER.problem


@pytest.mark.parametrize("moment", ["within", "after"])
def test_what_an_owed_hook_leaves_undone_is_in_the_outcome_of_its_run(agent: Agent, moment: str) -> None:
    agent.machine.offer("a")
    agent.hooks.verdicts[POST_UPGRADE] = FAILED_AFTER
    killed_in(agent, moment)

    agent.check()
    run = agent.last_run()

    assert run.text("result") == ("degraded" if moment == "after" else "interrupted")
    assert run.text("problem") == FAILED_AFTER.problem
    assert FAILED_AFTER.problem in run.text("message")


@pytest.mark.parametrize("moment", ["within", "after"])
def test_a_run_without_hooks_of_its_own_has_what_those_of_the_killed_one_leave_undone(
    agent: Agent, moment: str
) -> None:
    agent.machine.offer("a")
    agent.hooks.verdicts[POST_UPGRADE] = FAILED_AFTER
    killed_in(agent, moment)
    agent.machine.put("a", 2)

    done = agent.upgrade()
    killed = agent.last_run(back=1)

    assert (done.result, done.problem) == (Result.DEGRADED, FAILED_AFTER.problem)
    assert killed.text("problem") == FAILED_AFTER.problem
    assert agent.upgrade().problem == ""


@pytest.mark.parametrize("killed", [False, True])
def test_the_event_of_a_run_has_what_the_hooks_after_it_came_to(agent: Agent, tmp_path: Path, *, killed: bool) -> None:
    agent.machine.offer("a")
    agent.hooks.verdicts[POST_UPGRADE] = FAILED_AFTER
    assert sent_results(agent, tmp_path) == []
    sent: list[object] = []

    def export() -> None:
        sent.append(sent_results(agent, tmp_path))
        if killed:
            raise Killed

    agent.hooks.during[POST_UPGRADE] = export
    with pytest.raises(Killed) if killed else nullcontext():
        agent.upgrade()
    agent.hooks.during.clear()
    if killed:
        sent.append(sent_results(agent, tmp_path))
        agent.check()

    assert not any(sent)
    assert sent_results(agent, tmp_path) == ["degraded"]


def test_a_damaged_document_of_owed_hooks_is_left_to_the_next_job(agent: Agent, tmp_path: Path) -> None:
    agent.check()
    Path(agent.store.path(OWED_HOOKS)).write_text("{")

    sent_results(agent, tmp_path)

    assert agent.store.has(OWED_HOOKS)


def test_hooks_of_its_own_that_succeed_take_back_what_those_of_the_killed_run_left_undone(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.hooks.verdicts[POST_UPGRADE] = FAILED_AFTER
    killed_in(agent, "within")

    def succeed() -> None:
        agent.hooks.verdicts[POST_UPGRADE] = RAN

    agent.hooks.during[PRE_UPGRADE] = succeed
    done = agent.upgrade()

    assert (done.result, done.problem) == (Result.UPDATED, "")


def test_a_stop_while_hooks_run_installs_nothing_and_the_hooks_after_it_run(agent: Agent) -> None:
    agent.machine.offer("a")

    def stop() -> None:
        agent.stop = lambda: "on request"

    agent.hooks.during[PRE_UPGRADE] = stop

    done = agent.upgrade()

    assert (done.result, done.upgraded) == (Result.INTERRUPTED, ())
    assert agent.hooks.ran == [PRE_UPGRADE, POST_UPGRADE]


@pytest.mark.parametrize("job", ["check", "upgrade"])
@pytest.mark.parametrize("moment", ["before", "within", "after"])
def test_after_a_kill_the_next_job_runs_the_owed_hooks_once(agent: Agent, moment: str, job: str) -> None:
    agent.machine.offer("a")
    kill = raising(Killed())
    if moment == "within":
        agent.machine.before_install.append(kill)
    else:
        agent.hooks.during[PRE_UPGRADE if moment == "before" else POST_UPGRADE] = kill
    with pytest.raises(Killed):
        agent.upgrade()
    killed = agent.last_run().text("id")
    agent.hooks.during.clear()
    agent.hooks.ran.clear()
    waits = engine_interrupted(agent.store)
    agent.hooks.verdicts.pop(PRE_UPGRADE)

    getattr(agent, job)()
    ran = list(agent.hooks.ran)
    agent.check()

    expected = [POST_UPGRADE]
    if job == "upgrade" and moment != "after":
        expected = [POST_UPGRADE, PRE_UPGRADE, POST_UPGRADE]
    assert ran == agent.hooks.ran == expected
    assert (waits, engine_interrupted(agent.store)) == (True, False)
    assert killed in {agent.hooks.documents[POST_UPGRADE]["id"], agent.last_run(back=len(expected) // 2).text("id")}


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": "maestro.owed-hooks/1", "run": 5}'])
def test_a_damaged_document_counts_as_owed(agent: Agent, content: str) -> None:
    agent.check()
    Path(agent.store.path(OWED_HOOKS)).write_text(content)

    agent.check()

    assert agent.hooks.ran == [POST_UPGRADE]
    assert not agent.store.has(OWED_HOOKS)


def test_a_lock_that_is_held_after_the_hooks_gives_the_machine_back(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.before_install.append(raising(BusyError("apt-get (pid 812) holds dpkg's lock")))

    assert agent.upgrade().result is Result.BUSY
    assert agent.hooks.ran == [PRE_UPGRADE, POST_UPGRADE]
