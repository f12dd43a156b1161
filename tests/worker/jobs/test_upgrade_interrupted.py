"""Interruptions between the steps of a run: other programs, a kill, a stop, an error, an interrupted dpkg."""

import json
from pathlib import Path

import pytest

from agent.core.model.facts import PackageState
from agent.core.model.outcome import Result, Stage
from agent.core.model.plan import Why
from agent.core.packages.batches import BATCH_SIZE
from agent.errors import AgentError, BusyError, HostError, NoSpaceError, StoppedError
from agent.host.log import Level
from agent.state.json_reader import JsonReader
from agent.state.store import STATE
from tests.core import given
from tests.support.logged import captured_log
from tests.support.simulated import Killed, Offer
from tests.worker.jobs.simulator import Agent, names, raising


def many(count: int) -> list[str]:
    return [f"p{number:03}" for number in range(count)]


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(tmp_path / "state")


# other programs


def test_a_lock_held_during_the_refresh_is_recorded_as_busy(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.holder = "apt-get (pid 812)"

    done = agent.upgrade()

    assert done.result is Result.BUSY
    assert "apt-get (pid 812)" in done.message
    assert agent.last_run().text("result") == "busy"
    assert agent.last_run().child("lock").text("by") == "apt-get (pid 812)"
    assert agent.machine.versions() == {"a": "1"}


def test_a_lock_taken_between_transactions_keeps_the_progress_on_record(agent: Agent) -> None:
    agent.machine.offer(*many(2 * BATCH_SIZE + 10))

    def take_lock() -> None:
        agent.machine.holder = "apt-get (pid 812)"

    agent.machine.before_install.append(take_lock)

    done = agent.upgrade()

    assert done.result is Result.BUSY
    assert len(done.upgraded) == agent.last_run().count("upgraded") == BATCH_SIZE


def test_a_check_fails_while_the_lock_is_held(agent: Agent) -> None:
    agent.machine.holder = "apt-get (pid 812)"

    with pytest.raises(BusyError, match=r"apt-get \(pid 812\)"):
        agent.check()


def test_a_run_plans_again_if_packages_changed_before_the_transaction(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.machine.before_install.append(lambda: agent.machine.put("a", 2))

    done = agent.upgrade()

    assert done.result is Result.UPDATED
    assert names(done.upgraded) == ["b"]
    assert agent.machine.done == ["refresh", "fetch a b", "install a b", "fetch b", "install b"]


def test_a_run_plans_again_if_packages_changed_before_the_download(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.machine.before_fetch.append(lambda: agent.machine.put("a", 2))

    done = agent.upgrade()

    assert done.result is Result.UPDATED
    assert names(done.upgraded) == ["b"]


def test_a_run_fails_after_several_replans(agent: Agent) -> None:
    agent.machine.offer("a")

    def supersede() -> None:
        version = 1 + max(offer.version for offer in agent.machine.lists)
        agent.machine.lists = [Offer(package="a", version=version)]
        agent.machine.publish(*agent.machine.lists)
        agent.machine.before_install.append(supersede)

    agent.machine.before_install.append(supersede)

    done = agent.upgrade()

    assert done.result is Result.FAILED
    assert "changed since the plan was made" in done.message
    assert agent.machine.transactions() == 4
    assert agent.machine.versions() == {"a": "1"}


def test_a_failed_package_is_not_retried_by_a_replan(agent: Agent) -> None:
    agent.machine.offer(*many(BATCH_SIZE + 5))
    agent.machine.fails = {"p000": Stage.UNPACK}
    agent.machine.before_install.extend([lambda: None] * 2)  # the first transaction and its retry
    agent.machine.before_install.append(lambda: agent.machine.put(many(BATCH_SIZE + 5)[-1], 2))

    done = agent.upgrade()

    assert names(done.failed) == ["p000:amd64"]


def test_a_plan_with_the_requested_id_is_executed(agent: Agent) -> None:
    agent.machine.offer("a")
    shown = agent.check()

    done = agent.upgrade(plan_id=shown.id)

    assert done.result is Result.UPDATED
    assert shown.install == done.upgraded


# the record


def test_a_run_is_recorded_before_anything_is_changed(agent: Agent) -> None:
    agent.machine.offer("a")
    seen: list[JsonReader] = []
    agent.machine.before_install.append(lambda: seen.append(agent.last_run()))

    done = agent.upgrade()

    assert [run.text("id") for run in seen] == [done.id]
    assert [run.text("result") for run in seen] == ["interrupted"]
    assert [run.optional_text("finished_at") for run in seen] == [None]
    assert agent.last_run().text("result") == "updated"
    assert agent.last_run().text("finished_at")


def test_the_plan_is_recorded_before_it_is_executed(agent: Agent) -> None:
    agent.machine.offer("a")
    counts: list[int] = []
    agent.machine.before_install.append(lambda: counts.append(agent.last_plan().count("install")))

    agent.upgrade()

    assert counts == [1]
    assert agent.last_plan().count("install") == 0


def test_each_transaction_is_recorded_before_the_next(agent: Agent) -> None:
    agent.machine.offer(*many(2 * BATCH_SIZE + 10))
    counts: list[int] = []
    agent.machine.before_install.extend([lambda: counts.append(agent.last_run().count("upgraded"))] * 3)

    agent.upgrade()

    assert counts == [0, BATCH_SIZE, 2 * BATCH_SIZE]


def test_a_killed_run_is_recorded_as_interrupted_with_its_progress(agent: Agent) -> None:
    agent.machine.offer(*many(BATCH_SIZE + 5))
    agent.machine.before_install.extend([lambda: None, raising(Killed())])

    with pytest.raises(Killed):
        agent.upgrade()

    assert agent.last_run().text("result") == "interrupted"
    assert agent.last_run().optional_text("finished_at") is None
    assert agent.last_run().count("upgraded") == BATCH_SIZE
    assert "was interrupted before it could record its end" in agent.last_run().text("message")


def test_the_next_run_completes_the_record_of_an_interrupted_run(agent: Agent) -> None:
    agent.machine.offer("a", "b", "c")
    agent.machine.before_install.append(raising(Killed()))
    with pytest.raises(Killed):
        agent.upgrade()
    agent.machine.put("a", 2)  # dpkg had finished it
    agent.machine.put("b", 2, "unpacked")
    underway = [part.text("package") for part in agent.last_run().children("underway")]

    done = agent.upgrade()

    cut_off = agent.last_run(back=1)
    assert underway == ["a", "b", "c"]
    assert cut_off.text("result") == "interrupted"
    assert [part.text("package") for part in cut_off.children("upgraded")] == ["a"]
    assert "1 of 3 packages were installed" in cut_off.text("message")
    assert cut_off.count("underway") == 0
    assert names(done.repaired) == ["b"]
    assert sorted(names(done.upgraded)) == ["b", "c"]


@pytest.mark.parametrize("run_id", ["20261123T051000Z-002", "\ud800"])
def test_an_interrupted_record_that_names_another_run_is_left_alone(agent: Agent, run_id: str) -> None:
    agent.machine.offer("a")
    agent.machine.before_install.append(raising(Killed()))
    with pytest.raises(Killed):
        agent.upgrade()
    file = Path(agent.store.path(f"history/{agent.last_run().text('id')}"))
    file.write_text(json.dumps({**agent.last_run().raw, "id": run_id}))
    damaged = file.read_text()

    done = agent.upgrade()

    assert (done.result, names(done.upgraded)) == (Result.UPDATED, ["a"])
    assert file.read_text() == damaged
    assert len(agent.store.run_ids()) == 2


def test_the_next_run_finishes_an_interrupted_one(agent: Agent) -> None:
    agent.machine.offer(*many(BATCH_SIZE + 5))
    agent.machine.before_install.extend([lambda: None, raising(Killed())])
    with pytest.raises(Killed):
        agent.upgrade()
    agent.machine.put(many(BATCH_SIZE + 5)[-1], 2, "unpacked")  # dpkg was in the middle of it

    done = agent.upgrade()

    assert done.result is Result.UPDATED
    assert names(done.repaired) == [many(BATCH_SIZE + 5)[-1]]
    assert names(done.upgraded) == many(BATCH_SIZE + 5)[-5:]
    assert len(agent.store.run_ids()) == 2


def test_the_next_run_logs_that_one_was_interrupted(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.machine.before_install.append(raising(Killed()))
    with pytest.raises(Killed):
        agent.upgrade()

    with captured_log() as entries:
        agent.upgrade()
        agent.upgrade()

    warned = [entry.message for entry in entries if entry.priority == Level.WARNING.value]
    assert len(warned) == 1
    assert " was interrupted: " in warned[0]


def test_an_error_keeps_the_progress_before_it(agent: Agent) -> None:
    agent.machine.offer(*many(2 * BATCH_SIZE + 10))
    agent.machine.before_install.extend([lambda: None, raising(HostError("the disk is read-only"))])

    done = agent.upgrade()

    assert done.result is Result.FAILED
    assert done.message == "the disk is read-only"
    assert len(done.upgraded) == agent.last_run().count("upgraded") == BATCH_SIZE
    assert agent.last_run().text("finished_at")


def test_an_error_of_a_retry_keeps_the_progress_of_the_first_attempt(agent: Agent) -> None:
    agent.machine.offer("a", "b", "c")
    agent.machine.fails = {"b": Stage.UNPACK}
    agent.machine.before_install.extend([lambda: None, raising(HostError("the disk is read-only"))])

    done = agent.upgrade()

    assert agent.machine.versions()["a"] == "2"
    assert names(done.upgraded) == ["a"]


def test_downloads_are_removed_after_an_error(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.before_install.append(raising(HostError("the disk is read-only")))

    agent.upgrade()

    assert agent.machine.downloaded == set()


def test_a_plan_without_enough_space_is_held(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.machine.before_fetch.append(raising(NoSpaceError("not enough space for /usr", ("a", "b"))))

    done = agent.upgrade()

    assert (done.result, done.message) == (Result.FAILED, "not enough space for /usr")
    assert [(one.package, one.why) for one in done.held] == [("a", Why.NO_SPACE), ("b", Why.NO_SPACE)]
    assert agent.machine.versions() == {"a": "1", "b": "1"}


def test_a_package_without_enough_space_is_held_and_the_rest_installed(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.machine.before_fetch.append(raising(NoSpaceError("not enough space for /boot", ("b",))))

    done = agent.upgrade()

    assert (done.result, names(done.upgraded)) == (Result.DEGRADED, ["a"])
    assert [(one.package, one.why) for one in done.held] == [("b", Why.NO_SPACE)]


def test_a_run_that_cannot_be_recorded_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a directory")
    agent = Agent(tmp_path / "state")
    agent.machine.offer("a")

    with pytest.raises(AgentError):
        agent.upgrade()

    assert agent.machine.done == []


def test_a_check_is_recorded_and_changes_nothing(agent: Agent) -> None:
    agent.machine.offer("a")

    plan = agent.check()

    assert agent.machine.done == ["refresh"]
    assert agent.last_plan().text("id") == plan.id
    assert agent.store.run_ids() == []


def test_a_check_without_recording_records_nothing(agent: Agent) -> None:
    agent.check(refresh=False, remember=False)

    assert agent.store.read(STATE, "maestro.state/1") is None


def test_after_a_run_the_record_holds_the_remaining_plan(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.machine.on_hold.add("b")

    agent.upgrade()

    assert agent.last_plan().count("install") == 0
    assert [held.text("package") for held in agent.last_plan().children("held")] == ["b"]


def test_runs_within_one_second_have_ordered_ids(agent: Agent) -> None:
    agent.verified(hours=1)

    first, second = agent.upgrade(refresh=False).id, agent.upgrade(refresh=False).id

    assert first != second
    assert agent.store.run_ids() == [second, first]


# stopping


def test_a_stop_ends_a_run_after_the_current_transaction(agent: Agent) -> None:
    agent.machine.offer(*many(2 * BATCH_SIZE + 10))
    agent.stop = lambda: "on request" if agent.machine.transactions() else ""

    done = agent.upgrade()

    assert done.result is Result.INTERRUPTED
    assert done.finished_at is not None
    assert len(done.upgraded) == BATCH_SIZE
    assert agent.last_plan().count("install") == BATCH_SIZE + 10
    assert all(state.state == "installed" for state in agent.machine.packages.values())


def test_a_stop_before_the_download_changes_nothing(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.stop = lambda: "on request"

    done = agent.upgrade()

    assert done.result is Result.INTERRUPTED
    assert agent.machine.done == ["refresh"]


def test_a_stop_after_the_last_transaction_interrupts_nothing(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.stop = lambda: "on request" if agent.machine.transactions() else ""

    assert agent.upgrade().result is Result.UPDATED


@pytest.mark.parametrize(
    ("error", "result"),
    [(StoppedError("stopped while waiting"), Result.INTERRUPTED), (BusyError("apt-get (pid 812)"), Result.BUSY)],
)
def test_what_waits_for_the_lock_after_a_failure_is_not_failed_and_the_next_run_has_it(
    agent: Agent, error: AgentError, result: Result
) -> None:
    agent.machine.offer("a", "b", "m", "x")
    agent.machine.fails = {"m": Stage.UNPACK}
    agent.machine.before_repair = raising(error)

    done = agent.upgrade()
    later = agent.upgrade()

    assert (done.result, names(done.failed), done.upgraded) == (result, ["m:amd64"], ())
    assert names(done.underway.steps) == ["a", "b"]
    assert names(later.repaired) == ["a", "b"]
    assert [(step.package, step.installed) for step in later.upgraded] == [("x", "1"), ("a", "1"), ("b", "1")]
    assert [agent.last_run(back=back).count("underway") for back in (0, 1)] == [0, 0]


@pytest.mark.parametrize(
    ("error", "result"),
    [(StoppedError("stopped while waiting"), Result.INTERRUPTED), (BusyError("apt-get (pid 812)"), Result.BUSY)],
)
def test_a_wait_for_the_lock_before_a_retry_keeps_the_first_attempt(
    agent: Agent, error: AgentError, result: Result
) -> None:
    agent.machine.offer("a", "b", "m", "x")
    agent.machine.fails = {"m": Stage.UNPACK}
    agent.machine.before_install.extend([lambda: None, raising(error)])

    done = agent.upgrade()

    assert (done.result, names(done.upgraded), names(done.failed)) == (result, ["a", "b"], ["m:amd64"])
    assert names(agent.upgrade().upgraded) == ["x"]


def test_what_somebody_finished_after_a_stop_is_in_the_record_of_the_stopped_run(agent: Agent) -> None:
    agent.machine.offer("a", "m")
    agent.machine.fails = {"m": Stage.UNPACK}
    agent.machine.before_repair = raising(StoppedError("stopped while waiting"))
    message = agent.upgrade().message
    agent.machine.put("a", 2)

    later = agent.upgrade()

    stopped = agent.last_run(back=1)
    assert [part.text("package") for part in stopped.children("upgraded")] == ["a"]
    assert (stopped.text("message"), stopped.count("underway")) == (message, 0)
    assert names(later.upgraded) == []


def test_an_error_in_the_midst_of_a_transaction_keeps_what_dpkg_did(agent: Agent) -> None:
    agent.machine.offer("a", "b", "c")

    def half_way() -> None:
        agent.machine.put("a", 2)
        agent.machine.put("b", 2, "unpacked")
        raise HostError("internal error")

    agent.machine.before_install.append(half_way)

    done = agent.upgrade()

    assert (done.result, names(done.upgraded), names(done.underway.steps)) == (Result.FAILED, ["a"], ["b"])
    assert names(agent.upgrade().upgraded) == ["c", "b"]


# repair


def test_a_repair_that_was_killed_and_that_dpkg_finished_is_on_record(agent: Agent) -> None:
    agent.machine.put("r", 1, "half-configured")
    agent.machine.put("s", 1, "half-configured")

    def outlive() -> None:
        agent.machine.put("r", 1)
        raise Killed

    agent.machine.before_repair = outlive
    with pytest.raises(Killed):
        agent.upgrade()
    underway = [part.text("package") for part in agent.last_run().children("underway_repairs")]

    done = agent.upgrade()

    interrupted = agent.last_run(back=1)
    assert underway == ["r", "s"]
    assert [part.text("package") for part in interrupted.children("repaired")] == ["r"]
    assert "1 of 2 packages were repaired" in interrupted.text("message")
    assert not interrupted.raw.get("underway_repairs")
    assert names(done.repaired) == ["s"]


def test_a_repair_is_on_record_before_the_next_transaction(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.put("r", 1, "half-configured")
    agent.machine.before_install.append(raising(Killed()))

    with pytest.raises(Killed):
        agent.upgrade()

    assert [part.text("package") for part in agent.last_run().children("repaired")] == ["r"]


def test_an_interrupted_dpkg_is_finished_first(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.put("r", 1, "half-configured")

    done = agent.upgrade()

    assert done.result is Result.UPDATED
    assert names(done.repaired) == ["r"]
    assert agent.machine.done == ["refresh", "repair", "fetch a", "install a"]


def test_a_failed_repair_is_reported_and_affects_no_other_package(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.put("r", 1, "half-configured")
    agent.machine.fails = {"r": Stage.CONFIGURE}

    done = agent.upgrade()

    assert done.result is Result.FAILED
    assert done.repaired == ()
    assert [(str(failure.package), failure.stage) for failure in done.failed] == [("r:amd64", Stage.REPAIR)]
    assert names(done.upgraded) == ["a"]


def test_a_half_configured_dpkg_fails_with_its_own_error(agent: Agent) -> None:
    agent.machine.put("dpkg", 1, "half-configured")
    agent.machine.fails = {"dpkg": Stage.CONFIGURE}

    done = agent.upgrade()

    assert [(str(one.package), one.error) for one in done.failed] == [
        ("dpkg:amd64", "installed post-installation script returned error exit status 1")
    ]


def test_an_interrupted_journal_is_merged_and_reported(agent: Agent) -> None:
    agent.machine.journal = True
    agent.check()
    planned = agent.last_plan().raw["repair"]

    done = agent.upgrade()

    assert (done.result, done.journal_merged) == (Result.UPDATED, True)
    assert planned == agent.last_run().raw["repaired"]
    assert planned == [{"package": "dpkg", "architecture": "", "state": "interrupted"}]


def test_a_journal_that_cannot_be_merged_fails_the_run(agent: Agent) -> None:
    agent.machine.journal = agent.machine.journal_stays = True

    agent.upgrade()

    (failure,) = agent.last_run().children("failed")
    assert (failure.text("package"), failure.text("detail")) == ("dpkg:", "dpkg state: interrupted")


def test_healthy_packages_are_not_repaired(agent: Agent) -> None:
    agent.machine.put("a", 1)
    agent.machine.put("t", 1, "triggers-pending")

    agent.upgrade()

    assert "repair" not in agent.machine.done


def test_a_package_that_requires_reinstallation_is_reinstalled(agent: Agent) -> None:
    agent.machine.offer("a")
    broken_by_the_power_cut(agent, "r")

    done = agent.upgrade()

    assert done.result is Result.UPDATED
    assert (names(done.upgraded), names(done.repaired)) == (["a"], ["r"])
    assert agent.machine.packages["r"] == PackageState(version="1", state="installed")


def test_a_reinstallation_succeeds_although_another_download_fails(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.missing.add("a")
    broken_by_the_power_cut(agent, "r")

    done = agent.upgrade()

    assert names(done.repaired) == ["r"]


def test_a_failed_reinstallation_is_reported_and_affects_no_other_package(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.missing.add("r")
    broken_by_the_power_cut(agent, "r")

    done = agent.upgrade()

    assert done.result is Result.FAILED
    assert [(str(one.package), one.stage) for one in done.failed] == [("r:amd64", Stage.REPAIR)]
    assert names(done.upgraded) == ["a"]


def test_an_unavailable_dependency_of_a_first_installation_stops_only_that(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.machine.offer("a")
    agent.machine.missing.add("d")
    agent.machine.publish(Offer(package="d", version=1))
    broken_by_the_power_cut(agent, "r")
    steps = (given.step("r", installed="1", candidate="1"), given.step("d", installed=None, candidate="1"))
    monkeypatch.setattr(agent.machine, "reinstallations", lambda repair: steps if repair else ())

    done = agent.upgrade()

    assert names(done.upgraded) == ["a"]
    assert [(str(one.package), one.stage) for one in done.failed] == [("r:amd64", Stage.REPAIR)]
    assert agent.machine.done.count("fetch a r d") == 2, "once more after a refresh, and not again"


def test_a_plan_with_a_package_that_was_excluded_fails_the_run(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    agent.machine.offer("a")
    agent.machine.missing.add("a")
    resolve = agent.machine.resolve
    monkeypatch.setattr(
        agent.machine, "resolve", lambda _admitted, scope, _veto: resolve([given.update("a")], scope, lambda _id: None)
    )

    done = agent.upgrade()

    assert done.result is Result.FAILED
    assert done.message == "the plan still contains packages that this run excluded: a:amd64"


def broken_by_the_power_cut(agent: Agent, package: str) -> None:
    agent.machine.put(package, 1, "reinst-required")
    agent.machine.publish(Offer(package=package, version=1))
