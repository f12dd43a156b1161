"""`docker-upgrade` from the request to the record, on an engine of values; a real one is in tests/machines."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.core.docker.snapshot import DockerSnapshot, Phase
from agent.core.engine_ports import Simulation
from agent.core.hooks import HookVerdict
from agent.core.job_kinds import JobKind, JobOption
from agent.core.manifest import Manifest
from agent.core.model.docker import NO_DOCKER, EngineUnit, Flavour, RestartPolicy
from agent.core.model.engine_plan import Component, EnginePlan, PackageChange
from agent.core.model.facts import Unseen
from agent.core.schemas import STATE_SCHEMA, Document
from agent.errors import BusyError, HostError, PlanChangedError, RecordError
from agent.report.engine_reasons import block_sentence
from agent.state.docker_change import DockerChangeRecord
from agent.state.documents.engine_plan import engine_plan_from_document
from agent.state.engine_interrupted import engine_interrupted
from agent.state.engine_outcome_view import EngineOutcomeView
from agent.state.json_reader import JsonReader
from agent.state.owed_hooks import OwedHooks, owe_hooks, run_with_owed_hooks
from agent.state.record import Record
from agent.state.store import OWED_HOOKS, STATE, Store
from agent.state.views import StateView
from agent.state.waiting_record import WaitingRecord
from agent.worker.jobs import docker_upgrade
from agent.worker.protocol import JobAnswer
from agent.worker.steps.docker import prepare
from tests.core import given
from tests.core.docker.given_docker import ENGINE, NEW, OLD, UNIT, container
from tests.report.given_engine_outcome import INTERRUPTED
from tests.worker.jobs.engine_upgrades import run_upgrade
from tests.worker.jobs.simulator import Agent, raising
from tests.worker.steps.docker.fake_engine import BEFORE, CONTAINERS, FakeEngine, Killed

WANTED = Manifest(docker_version="26.1.5")
STOPPED = replace(UNIT, active_state="inactive", main_pid=None)


class Host:
    """The agent on a machine with Docker 20.10.24 and four containers; the manifest wants 26.1.5."""

    def __init__(self, directory: Path, **fields: Any) -> None:
        self.agent = Agent(directory)
        self.agent.manifest = WANTED
        self.engines = self.agent.machine.engines
        self.engine: FakeEngine = self.engines.install_engine(*CONTAINERS, **fields)
        self.engines.offered = {"docker.io": (NEW, OLD), "docker-cli": (NEW,)}

    def upgrade(self, *options: JobOption, plan_id: str | None = None) -> JobAnswer:
        """Run the job."""
        return run_upgrade(self.agent, JobKind.DOCKER_UPGRADE, options, plan_id)

    @property
    def record(self) -> Record:
        return Record(self.agent.store)

    @property
    def recorded(self) -> list[str]:
        """The results of the runs in the history, newest first."""
        runs = [self.agent.store.read_run(run_id) for run_id in self.agent.store.run_ids()]
        return [run.text("result") for run in runs if run is not None]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Return such a machine."""
    return Host(tmp_path)


def outcome(answer: JobAnswer) -> EngineOutcomeView:
    assert answer.document is not None
    return EngineOutcomeView(JsonReader(answer.document, "outcome"))


def whys(answer: JobAnswer) -> list[str]:
    return [code for code, _ in outcome(answer).blocked]


def untouched(host: Host) -> bool:
    """Whether nothing at all was done to the engine, and nothing waits for a recovery."""
    return not host.engine.done and not host.engine.saved and DockerChangeRecord(host.record.store).load() is None


def test_an_upgrade_is_carried_out_recorded_and_leaves_nothing_behind(host: Host) -> None:
    host.agent.check()

    answer = host.upgrade()
    found = outcome(answer)

    assert (answer.exit_code, found.result, found.before, found.running) == (0, "upgraded", "20.10.24", "26.1.5")
    assert {(one.package, one.before, one.after) for one in found.packages} == {
        ("docker-cli", None, NEW),
        ("docker.io", OLD, NEW),
    }
    assert host.engine.states == BEFORE
    assert (found.requested_by, found.lost, found.started, found.stopped) == ("ann", [], ["no"], ["off"])
    assert found.forecast_s is not None
    assert found.engine_s == 1.0
    assert host.recorded == ["upgraded"]
    assert DockerChangeRecord(host.record.store).load() is None
    assert host.engine.forgotten


def test_after_an_upgrade_the_status_shows_the_new_engine(host: Host) -> None:
    host.agent.check()

    host.upgrade()
    state = host.agent.store.read(STATE, STATE_SCHEMA)

    assert state is not None
    docker = StateView(state).docker
    assert docker is not None
    assert (docker.running, docker.differs, docker.restart_pending) == ("26.1.5", False, False)


@pytest.mark.parametrize("rebooted", [False, True])
def test_services_are_looked_at_again_after_an_upgrade_also_in_another_boot(host: Host, *, rebooted: bool) -> None:
    host.agent.machine.stale_units = {"docker.service"}
    host.agent.check()
    host.agent.machine.stale_units = set()
    if rebooted:
        host.agent.machine.boot += 1

    host.upgrade()
    state = host.agent.store.read(STATE, STATE_SCHEMA)

    assert state is not None
    assert (state.raw["services"], state.raw["boot_id"]) == (
        {"deleted_files": [], "sessions": [], "restarts": []},
        f"boot-{host.agent.machine.boot}",
    )


def test_d7_docker_as_wanted_and_running_is_left_alone(tmp_path: Path) -> None:
    host = Host(tmp_path, version=NEW, engine=ENGINE)

    answer = host.upgrade()

    assert (answer.exit_code, outcome(answer).result) == (0, "unchanged")
    assert untouched(host)


def test_d8_an_engine_that_runs_an_older_version_is_only_restarted(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.engine.packages = {"docker.io": (NEW, True), "docker-cli": (NEW, True)}

    answer = host.upgrade()

    assert (answer.exit_code, outcome(answer).result) == (0, "restarted")
    assert "install" not in host.engine.done
    assert host.engine.states == BEFORE


def test_d8_without_a_manifest_an_engine_that_runs_an_older_version_is_restarted(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.agent.manifest = Manifest()
    host.engine.packages = {"docker.io": (NEW, True)}

    assert outcome(host.upgrade()).result == "restarted"


def test_d20_a_machine_without_docker_has_nothing_to_do(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.agent = Agent(tmp_path / "other")

    answer = host.upgrade()

    assert (answer.exit_code, outcome(answer).result, outcome(answer).running) == (0, "unchanged", None)


def test_d20_a_machine_without_docker_that_should_have_it_is_blocked(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.agent = Agent(tmp_path / "other")
    host.agent.manifest = WANTED

    answer = host.upgrade()

    assert (answer.exit_code, whys(answer)) == (10, ["unsupported-flavour"])


@pytest.mark.parametrize("unit", [STOPPED, replace(STOPPED, load_state="masked", unit_file_state="masked")])
def test_d26_d27_a_stopped_engine_is_upgraded_and_stays_stopped(tmp_path: Path, unit: EngineUnit) -> None:
    host = Host(tmp_path, unit=unit, engine=None)
    host.engine.facts = replace(host.engine.facts, containers=None)

    answer = host.upgrade()

    assert (answer.exit_code, outcome(answer).result, outcome(answer).running) == (0, "upgraded", None)
    assert host.engine.done == ["install"]


def test_d10_a_downgrade_needs_its_option(tmp_path: Path) -> None:
    host = Host(tmp_path, version=NEW, engine=ENGINE)
    host.agent.manifest = Manifest(docker_version="20.10.24")

    refused = host.upgrade()
    still = host.upgrade(JobOption.ALLOW_DOWNGRADE)  # D11: across a major version
    done = host.upgrade(JobOption.ALLOW_MAJOR_DOWNGRADE)

    assert [whys(refused), whys(still)] == [["downgrade-refused"]] * 2
    assert (refused.exit_code, done.exit_code, outcome(done).running) == (10, 0, "20.10.24")


def test_d12_a_package_on_hold_blocks_and_stays_on_hold(host: Host) -> None:
    host.engines.on_hold = {"docker.io"}

    answer = host.upgrade()

    assert (answer.exit_code, whys(answer)) == (10, ["held-by-admin"])
    assert untouched(host)


@pytest.mark.parametrize(("what", "blocks"), [("docker.io", True), ("docker.io:amd64", True), ("nginx", False)])
def test_a_snoozed_package_blocks(host: Host, what: str, *, blocks: bool) -> None:
    now = host.agent.machine.now()
    made = given.snooze(what, until=now + timedelta(days=1), at=now)
    WaitingRecord(host.agent.store).update_snoozes(lambda before: (*before, made), now)

    answer = host.upgrade()

    assert whys(answer) == (["snoozed"] if blocks else [])
    assert untouched(host) is blocks


def test_d12_with_its_option_a_package_on_hold_is_changed_and_on_hold_again(host: Host) -> None:
    host.engines.on_hold = {"docker.io"}
    host.engine.held = {"docker.io"}

    answer = host.upgrade(JobOption.CHANGE_HELD)

    assert (answer.exit_code, outcome(answer).result) == (0, "upgraded")
    assert host.engine.held == {"docker.io"}


def test_d14_a_foreign_removal_blocks(host: Host) -> None:
    host.engines.simulation = Simulation(
        changes=(
            PackageChange(package="docker.io", before=OLD, after=NEW),
            PackageChange(package="nginx", before="1", after=None),
        )
    )

    answer = host.upgrade()

    assert (answer.exit_code, whys(answer)) == (10, ["would-remove"])
    assert untouched(host)


def test_d40_dpkg_locked_to_the_deadline_changes_nothing(host: Host) -> None:
    host.engine.dpkg_busy = 1

    answer = host.upgrade()

    assert (answer.exit_code, outcome(answer).result) == (5, "blocked")
    assert host.engine.packages == {"docker.io": (OLD, True)}
    assert DockerChangeRecord(host.record.store).load() is None
    assert host.recorded == ["blocked"]


def test_d40_another_package_manager_at_work_is_waited_for_to_the_deadline(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy() -> None:
        raise BusyError("apt-daily runs")

    monkeypatch.setattr(host.agent.machine, "apt_daily_lock", busy)

    with pytest.raises(BusyError):
        host.upgrade()
    assert untouched(host)


def test_d41_d42_an_archive_that_cannot_be_had_changes_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_versions: object) -> None:
        raise HostError("docker.io cannot be downloaded: 404  Not Found")

    monkeypatch.setattr(host.engine, "keep", fail)

    answer = host.upgrade()

    assert (answer.exit_code, whys(answer)) == (10, ["download-failed"])
    assert untouched(host)


def test_d49_a_configuration_that_the_new_engine_refuses_is_rolled_back_without_an_outage(host: Host) -> None:
    host.engine.problem = "unknown option"

    answer = host.upgrade()
    found = outcome(answer)

    assert (answer.exit_code, found.result, found.rolled_back, found.running) == (1, "rolled-back", True, "20.10.24")
    assert "restart" not in host.engine.done
    assert host.engine.packages == {"docker.io": (OLD, True)}


def test_an_engine_that_does_not_start_is_rolled_back(host: Host) -> None:
    host.engine.broken = {NEW}

    answer = host.upgrade()

    assert (answer.exit_code, outcome(answer).result, outcome(answer).running) == (1, "rolled-back", "20.10.24")
    assert host.engine.states == BEFORE
    assert DockerChangeRecord(host.record.store).load() is None


def test_a_container_that_an_upgrade_lost_is_lost_until_a_check_sees_it_run(host: Host) -> None:
    host.agent.check()
    host.engine.unable = {"no"}
    host.upgrade()
    after_upgrade = lost(host)
    host.agent.check()
    still = lost(host)

    host.engine.unable = set()
    host.engine.start_containers([CONTAINERS[1]])
    host.agent.check()
    back = lost(host)
    host.engine.stop_containers([CONTAINERS[1]])  # by its owner, long after
    host.agent.check()

    assert (after_upgrade, still, back, lost(host)) == (("no",), ("no",), (), ())


def test_what_an_upgrade_lost_is_kept_while_the_containers_are_unknown(host: Host) -> None:
    host.agent.check()
    host.engine.unable = {"no"}
    host.upgrade()
    host.engine.facts = replace(host.engine.facts, containers=Unseen(reason="no answer"))

    host.agent.check()

    assert lost(host) == ("no",)


def test_an_upgrade_that_lost_none_leaves_nothing_to_follow(host: Host) -> None:
    host.agent.check()

    host.upgrade()

    assert recorded_plan(host).lost is None


def test_d52_too_little_space_changes_nothing(host: Host) -> None:
    host.engines.host.problem = "not enough space for /usr"

    answer = host.upgrade()

    assert (answer.exit_code, whys(answer)) == (10, ["no-space"])
    assert untouched(host)


def test_an_apt_that_cannot_plan_any_more_changes_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: Iterator[Simulation] = iter([host.engines.simulate({"docker.io": NEW, "docker-cli": NEW})])

    def once(_targets: object, _held: object = ()) -> Simulation:
        found = next(answers, None)
        if found is None:
            raise HostError("the package lists are damaged")
        return found

    monkeypatch.setattr(host.engines, "simulate", once)

    answer = host.upgrade()

    assert (answer.exit_code, whys(answer)) == (10, ["broken-dependency"])
    assert untouched(host)


def test_an_engine_whose_state_cannot_be_saved_is_not_changed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_fields: object) -> None:
        raise HostError("the containers are unknown")

    monkeypatch.setattr(docker_upgrade, "take_snapshot", fail)

    answer = host.upgrade()

    assert (answer.exit_code, whys(answer)) == (10, ["unresponsive"])
    assert untouched(host)


@pytest.mark.parametrize(("deferred", "why"), [(True, "hook-deferred"), (False, "hook-failed")])
def test_a_hook_can_prevent_the_upgrade(host: Host, deferred: bool, why: str) -> None:  # noqa: FBT001 - a table
    host.engines.host.verdicts["pre-docker.d"] = HookVerdict(ran=2, problem="drain: exit code", deferred=deferred)

    answer = host.upgrade()

    assert (answer.exit_code, whys(answer)) == (10, [why])
    assert host.engines.host.hooks == ["pre-docker.d", "post-docker.d"]
    assert untouched(host)


def test_hooks_run_before_and_after_a_change(host: Host) -> None:
    host.engines.host.verdicts["pre-docker.d"] = HookVerdict(ran=1)

    assert host.upgrade().exit_code == 0
    assert host.engines.host.hooks == ["pre-docker.d", "post-docker.d"]


def test_a_hook_that_fails_after_a_change_needs_attention(host: Host) -> None:
    host.engines.host.verdicts["pre-docker.d"] = HookVerdict(ran=1)
    host.engines.host.verdicts["post-docker.d"] = HookVerdict(ran=1, problem="post-docker.d/10-fill: exit code 1")

    answer = host.upgrade()
    recorded = host.agent.last_run()

    assert (answer.exit_code, recorded.text("result")) == (10, "upgraded")
    assert "post-docker.d/10-fill: exit code 1" in recorded.text("message")
    assert answer.document is not None
    assert answer.document["message"] == recorded.text("message")
    assert answer.document["problem"] == "post-docker.d/10-fill: exit code 1"


def test_after_a_kill_the_run_that_finishes_it_runs_the_post_hooks_once(host: Host) -> None:
    host.engines.host.verdicts["pre-docker.d"] = HookVerdict(ran=1)
    host.engine.dies_at = 0
    with pytest.raises(Killed):
        host.upgrade()
    host.engine.dies_at = None
    host.engines.host.hooks.clear()  # those of the killed process

    host.engines.host.verdicts["post-docker.d"] = HookVerdict(ran=1, problem="post-docker.d/10-fill: exit code 1")

    host.agent.check()
    host.agent.check()

    assert host.engines.host.hooks == ["post-docker.d"]
    assert host.agent.last_run().text("problem") == "post-docker.d/10-fill: exit code 1"


def test_after_a_kill_while_hooks_run_the_next_job_runs_those_after_it_once(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.agent.hooks.verdicts = {"pre-docker.d": HookVerdict(ran=1)}
    monkeypatch.setattr(host.engines.host, "run_hooks", lambda _name, _document: raising(Killed())())
    with pytest.raises(Killed):
        host.upgrade()
    waits = engine_interrupted(host.agent.store)

    host.agent.check()
    host.agent.check()

    assert (waits, engine_interrupted(host.agent.store)) == (True, False)
    assert host.agent.hooks.ran == ["post-docker.d"]
    assert host.agent.hooks.documents["post-docker.d"]["schema"] == "maestro.engine-outcome/1"


def test_what_fails_of_the_hooks_after_a_kill_while_those_before_it_ran_is_on_record(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = HookVerdict(ran=1, problem="post-docker.d/10-fill: exit code 1")
    host.agent.hooks.verdicts = {"pre-docker.d": HookVerdict(ran=1), "post-docker.d": failed}
    monkeypatch.setattr(host.engines.host, "run_hooks", lambda _name, _document: raising(Killed())())
    with pytest.raises(Killed):
        host.upgrade()

    host.agent.check()
    recorded = host.agent.last_run()

    assert (recorded.text("result"), recorded.text("problem")) == ("interrupted", failed.problem)
    assert recorded.text("id") == host.agent.hooks.documents["post-docker.d"]["id"]
    assert not engine_interrupted(host.agent.store)


@pytest.mark.parametrize("moment", ["in the hooks", "in the change"])
def test_a_run_that_changes_nothing_has_what_the_hooks_of_the_killed_one_leave_undone(host: Host, moment: str) -> None:
    ran, failed = HookVerdict(ran=1), HookVerdict(ran=1, problem="post-docker.d/10-fill: exit code 1")
    for hooks in (host.agent.hooks, host.engines.host):
        hooks.verdicts = {"pre-docker.d": ran, "post-docker.d": failed}
    if moment == "in the change":
        host.engine.dies_at = 0
        with pytest.raises(Killed):
            host.upgrade()
        host.engine.dies_at = None
    else:
        host.engines.host.verdicts = {}
        host.upgrade()
        owe_hooks(host.agent.store, OwedHooks(run="", directory="post-docker.d"), host.agent.machine.now())

    answer = host.upgrade()

    assert (answer.exit_code, host.agent.last_run().text("result")) == (10, "unchanged")
    assert host.agent.last_run().text("problem") == failed.problem


@pytest.mark.parametrize("finished_by", ["docker upgrade", "check"])
def test_after_a_kill_while_hooks_run_after_a_change_the_next_job_runs_them_once(host: Host, finished_by: str) -> None:
    ran = HookVerdict(ran=1)
    for hooks in (host.agent.hooks, host.engines.host):
        hooks.verdicts = {"pre-docker.d": ran, "post-docker.d": ran}
    if finished_by == "check":
        host.engine.dies_at = 0
        with pytest.raises(Killed):
            host.upgrade()
        host.engine.dies_at = None
    host.engines.host.during["post-docker.d"] = raising(Killed())
    with pytest.raises(Killed):
        (host.agent.check if finished_by == "check" else host.upgrade)()
    owing, recorded = run_with_owed_hooks(host.agent.store), host.agent.last_run()
    failed = HookVerdict(ran=1, problem="post-docker.d/10-fill: exit code 1")
    host.agent.hooks.verdicts["post-docker.d"] = failed

    host.agent.check()
    host.agent.check()

    assert (owing, recorded.text("result")) == (recorded.text("id"), "upgraded")
    assert recorded.optional_text("finished_at") is not None
    assert host.agent.hooks.ran == ["post-docker.d"]
    assert run_with_owed_hooks(host.agent.store) == ""
    assert host.agent.last_run().text("problem") == failed.problem


def test_after_a_kill_while_hooks_run_after_a_change_that_did_not_begin_the_next_job_runs_them_once(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = HookVerdict(ran=1)
    for hooks in (host.agent.hooks, host.engines.host):
        hooks.verdicts = {"pre-docker.d": ran, "post-docker.d": ran}
    host.engines.host.during["post-docker.d"] = raising(Killed())
    monkeypatch.setattr(docker_upgrade, "perform", lambda *_: raising(BusyError("apt-get (pid 7) holds a lock"))())
    with pytest.raises(Killed):
        host.upgrade()

    host.agent.check()
    host.agent.check()

    assert host.recorded == ["blocked"]
    assert host.agent.hooks.ran == ["post-docker.d"]
    assert not host.agent.store.has(OWED_HOOKS)


@pytest.mark.parametrize("ran", [0, 1])
def test_what_the_snapshot_of_a_change_has_is_owed_nowhere_else(host: Host, ran: int) -> None:
    host.agent.hooks.verdicts = {"pre-docker.d": HookVerdict(ran=ran)}
    host.engines.host.verdicts["pre-docker.d"] = HookVerdict(ran=ran)
    host.engine.dies_at = 0
    with pytest.raises(Killed):
        host.upgrade()

    assert not host.agent.store.has(OWED_HOOKS)


def test_another_plan_than_the_requested_one_is_refused(host: Host) -> None:
    plan = host.upgrade(JobOption.DRY_RUN).document
    assert plan is not None

    with pytest.raises(PlanChangedError):
        host.upgrade(plan_id="0123456789ab")
    assert untouched(host)
    assert host.recorded == []
    assert host.upgrade(plan_id=str(plan["id"])).exit_code == 0


def test_a_plan_that_changed_while_it_was_prepared_is_not_carried_out(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []

    def put_another(_name: str, document: Document) -> HookVerdict:
        given.append(document.get("result"))
        host.engines.offered = {"docker.io": ("26.1.5+dfsg1-10", OLD)}
        return HookVerdict(ran=1)

    monkeypatch.setattr(host.engines.host, "run_hooks", put_another)

    with pytest.raises(PlanChangedError):
        host.upgrade()
    assert untouched(host)
    assert given == [None, "blocked"]


def test_what_fails_of_the_hooks_after_a_plan_that_changed_is_on_record(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put_another(name: str, _document: Document) -> HookVerdict:
        host.engines.offered = {"docker.io": ("26.1.5+dfsg1-10", OLD)}
        return HookVerdict(ran=1, problem="10-fill: exit code 1" if name == "post-docker.d" else "")

    monkeypatch.setattr(host.engines.host, "run_hooks", put_another)

    with pytest.raises(PlanChangedError):
        host.upgrade()
    recorded = host.agent.last_run()

    assert untouched(host)
    assert (recorded.text("result"), recorded.text("problem")) == ("blocked", "10-fill: exit code 1")
    assert recorded.optional_text("finished_at") is not None


@pytest.mark.parametrize("error", [HostError("docker.service cannot be read"), BusyError("dpkg is busy")])
def test_what_fails_of_the_hooks_after_a_second_look_that_failed_is_the_end_of_that_run(
    host: Host, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    failed = HookVerdict(ran=1, problem="10-fill: exit code 1")
    host.engines.host.verdicts = {"pre-docker.d": HookVerdict(ran=1), "post-docker.d": failed}
    monkeypatch.setattr(prepare, "require_same", lambda _plan, _found: raising(error)())

    with pytest.raises(type(error)):
        host.upgrade()
    recorded = host.agent.last_run()

    assert untouched(host)
    assert (recorded.text("result"), recorded.text("problem")) == ("blocked", failed.problem)
    assert recorded.text("message") == f"{error}; {failed.problem}"
    assert recorded.optional_text("finished_at") is not None
    assert not engine_interrupted(host.agent.store)


def test_a_change_that_fails_half_way_stays_in_progress_whatever_fails_of_the_hooks(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = HookVerdict(ran=1, problem="10-fill: exit code 1")
    host.engines.host.verdicts = {"pre-docker.d": HookVerdict(ran=1), "post-docker.d": failed}

    def fail_half_way(_context: object, snapshot: DockerSnapshot, *_others: object) -> None:
        DockerChangeRecord(host.record.store).save(replace(snapshot, phase=Phase.PACKAGES), given.NOW)
        raise HostError("docker.service cannot be read")

    monkeypatch.setattr(docker_upgrade, "perform", fail_half_way)

    with pytest.raises(HostError):
        host.upgrade()

    assert host.agent.last_run().text("problem") == failed.problem
    assert engine_interrupted(host.agent.store)


def test_a_container_that_would_be_removed_and_came_after_the_plan_is_not_removed(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start_another(_name: str, _document: object) -> HookVerdict:
        once = container("once", auto_remove=True, policy=RestartPolicy.NO)
        host.engine.facts = replace(host.engine.facts, containers=(*CONTAINERS, once))
        return HookVerdict(ran=1)

    monkeypatch.setattr(host.engines.host, "run_hooks", start_another)

    with pytest.raises(PlanChangedError):
        host.upgrade(JobOption.REMOVE_CONTAINERS)
    assert untouched(host)


def test_a_dry_run_answers_with_the_plan_and_changes_and_records_nothing(host: Host) -> None:
    answer = host.upgrade(JobOption.DRY_RUN)

    assert answer.document is not None
    assert (answer.exit_code, answer.document["schema"]) == (10, "maestro.engine-plan/1")
    assert untouched(host)
    assert host.recorded == []
    assert host.engines.host.hooks == []


def test_a_request_to_stop_is_obeyed_before_anything_changes(host: Host) -> None:
    host.agent.stop = lambda: "on request"

    answer = host.upgrade()

    assert (answer.exit_code, outcome(answer).result) == (1, "interrupted")
    assert untouched(host)


def test_a_container_that_does_not_start_is_named_and_the_command_fails(host: Host) -> None:
    host.engine.unable = {"no"}

    answer = host.upgrade()

    assert (answer.exit_code, outcome(answer).result, outcome(answer).lost) == (1, "upgraded", ["no"])


def fail_completely(host: Host) -> JobAnswer:
    host.engine.broken = {NEW, OLD}
    return host.upgrade()


def test_d47_what_needs_attention_keeps_everything_and_is_not_tried_again(host: Host) -> None:
    answer = fail_completely(host)
    acts = len(host.engine.done)
    again = host.upgrade()

    assert (answer.exit_code, outcome(answer).result) == (1, "failed-needs-attention")
    assert "failed-before" in whys(again)
    assert (again.exit_code, len(host.engine.done)) == (10, acts)
    assert saved(host).phase is Phase.FAILED
    assert not host.engine.forgotten


def test_after_a_failure_the_plan_is_blocked_also_where_the_wanted_version_is_installed(host: Host) -> None:
    fail_completely(host)
    host.engine.packages = {"docker.io": (NEW, True)}

    plan = host.upgrade(JobOption.DRY_RUN)

    assert plan.document is not None
    assert (plan.exit_code, "failed-before" in str(plan.document["blocked"])) == (10, True)


def test_after_a_failure_a_person_allows_the_next_upgrade_once_the_engine_runs(host: Host) -> None:
    fail_completely(host)

    dead = host.upgrade(JobOption.AFTER_FAILURE)
    host.engine.broken = set()
    host.engine.packages = {"docker.io": (OLD, True)}
    host.engine.reboot()
    refused = host.upgrade()
    done = host.upgrade(JobOption.AFTER_FAILURE)

    assert "failed-before" in whys(dead)
    assert "failed-before" in whys(refused)
    assert (done.exit_code, outcome(done).result) == (0, "upgraded")
    assert DockerChangeRecord(host.record.store).load() is None


def test_an_interrupted_upgrade_is_finished_by_the_next(host: Host) -> None:
    host.engine.dies_at = 0
    with pytest.raises(Killed):
        host.upgrade()
    host.engine.dies_at = None

    answer = host.upgrade()

    assert (answer.exit_code, outcome(answer).result, outcome(answer).running) == (0, "unchanged", "26.1.5")
    assert host.recorded == ["unchanged", "upgraded"]
    assert DockerChangeRecord(host.record.store).load() is None
    assert host.engine.states == BEFORE


def test_an_interrupted_upgrade_is_finished_by_the_next_check(host: Host) -> None:
    host.engine.dies_at = 0
    with pytest.raises(Killed):
        host.upgrade()
    host.engine.dies_at = None

    host.agent.check(refresh=False)
    untouched_by_a_look = DockerChangeRecord(host.record.store).load() is not None
    host.agent.check()

    assert untouched_by_a_look
    assert host.recorded == ["upgraded"]
    assert DockerChangeRecord(host.record.store).load() is None
    assert host.engine.states == BEFORE


def test_a_check_succeeds_although_an_interrupted_upgrade_cannot_be_finished(host: Host) -> None:
    host.engine.dies_at = 0
    with pytest.raises(Killed):
        host.upgrade()
    host.engine.facts = replace(host.engine.facts, unit=Unseen(reason="systemd does not answer"))

    host.agent.check()

    assert DockerChangeRecord(host.record.store).load() is not None


@pytest.mark.parametrize("configured", [False, True], ids=["by option", "by configuration"])
def test_live_restore_keeps_the_containers_running_during_the_restart(host: Host, *, configured: bool) -> None:
    policy = host.agent.policy
    host.agent.policy = replace(policy, docker=replace(policy.docker, live_restore=configured))

    answer = host.upgrade(*(() if configured else (JobOption.LIVE_RESTORE,)))

    assert outcome(answer).result == "upgraded"
    assert host.engine.done == ["live-restore on", "install", "restart", "stop off", "live-restore as before"]


def test_a_rollback_that_waits_for_dpkgs_lock_has_no_end_on_record_until_a_check_finishes_it(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.engine.problem = "no such option"

    def busy_afterwards(unit: EngineUnit) -> str:
        del unit
        host.engine.dpkg_busy = 1
        return "no such option"

    monkeypatch.setattr(host.engine, "validate", busy_afterwards)

    answer = host.upgrade()
    waits = outcome(answer)
    interrupted = engine_interrupted(host.agent.store)
    host.agent.check()

    assert (answer.exit_code, waits.result, waits.finished_at, interrupted) == (1, "interrupted", None, True)
    assert host.recorded == ["rolled-back"]
    assert not engine_interrupted(host.agent.store)
    assert DockerChangeRecord(host.record.store).load() is None


def test_while_a_rollback_waits_no_other_upgrade_begins_and_the_way_back_stays(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy_afterwards(unit: EngineUnit) -> str:
        del unit
        host.engine.dpkg_busy = 2
        return "no such option"

    monkeypatch.setattr(host.engine, "validate", busy_afterwards)
    host.upgrade()

    with pytest.raises(HostError, match="cannot be finished yet"):
        host.upgrade()
    waits, kept, done = saved(host).phase, not host.engine.forgotten, list(host.engine.done)
    host.agent.check()

    assert (waits, kept, done) == (Phase.ROLLING_BACK, True, ["install", "finish"])
    assert host.recorded == ["rolled-back"]
    assert host.engine.packages == {"docker.io": (OLD, True)}


@pytest.mark.parametrize("damage", ["{", "{}", '{"schema": "maestro.docker-snapshot/1"}'])
def test_a_damaged_snapshot_of_an_interrupted_upgrade_stays_until_a_person_accepts_what_runs(
    host: Host, damage: str
) -> None:
    host.engine.dies_at = 0
    with pytest.raises(Killed):
        host.upgrade()
    host.engine.dies_at = None
    Path(host.agent.store.path("docker-snapshot")).write_text(damage)

    host.agent.check()
    interrupted, stays = engine_interrupted(host.agent.store), host.record.has_unfinished(Component.DOCKER)
    with pytest.raises(RecordError, match="--after-failure"):
        host.upgrade()
    answer = host.upgrade(JobOption.AFTER_FAILURE)

    assert (interrupted, stays, host.record.has_unfinished(Component.DOCKER)) == (True, True, False)
    assert answer.exit_code in {0, 10}
    assert host.recorded[-1] == "interrupted"
    assert not engine_interrupted(host.agent.store)


def test_a_check_leaves_alone_what_needs_a_person(host: Host) -> None:
    fail_completely(host)
    done = list(host.engine.done)

    host.agent.check()

    assert host.engine.done == done
    assert saved(host).phase is Phase.FAILED


def test_where_docker_was_removed_since_nothing_is_left_to_finish(host: Host) -> None:
    host.engine.dies_at = 0
    with pytest.raises(Killed):
        host.upgrade()
    host.engine.facts = replace(NO_DOCKER)
    host.engine.packages = {"containerd": ("1.6", True)}

    host.agent.check()

    assert DockerChangeRecord(host.record.store).load() is None
    assert host.recorded == ["interrupted"]


def test_packages_of_somebody_else_are_not_taken_for_those_of_before(host: Host) -> None:
    host.engine.dies_at = 0
    with pytest.raises(Killed):
        host.upgrade()
    host.engine.dies_at, host.engine.packages = None, {"docker.io": ("24.0.9+dfsg1-1", True)}

    host.agent.check()

    run = host.record.store.read_run(host.record.store.run_ids()[0])
    assert run is not None
    ended = EngineOutcomeView(run)
    assert (ended.result, host.engine.packages) == ("interrupted", {"docker.io": ("24.0.9+dfsg1-1", True)})
    assert "those of before" not in ended.message


def test_an_interrupted_run_ends_for_a_person_who_put_something_else_in_dockers_place(host: Host) -> None:
    host.engine.dies_at = 0
    with pytest.raises(Killed):
        host.upgrade()
    host.engine.facts = replace(NO_DOCKER, flavour=Flavour.PODMAN)
    host.engine.packages = {}

    host.agent.check()
    stays = DockerChangeRecord(host.record.store).load() is not None
    with pytest.raises(HostError):
        host.upgrade()
    host.upgrade(JobOption.AFTER_FAILURE)

    assert (stays, DockerChangeRecord(host.record.store).load()) == (True, None)
    assert host.recorded == ["blocked", "interrupted"]


def test_an_interrupted_upgrade_is_finished_by_the_next_upgrade_of_packages(host: Host) -> None:
    host.engine.dies_at = 0
    with pytest.raises(Killed):
        host.upgrade()
    host.engine.dies_at = None

    host.agent.upgrade()

    assert host.recorded[1] == "upgraded"
    assert DockerChangeRecord(host.record.store).load() is None


def test_a_run_that_was_interrupted_before_its_snapshot_gets_its_end(host: Host) -> None:
    begun = replace(INTERRUPTED, id="20261123T050000Z")
    host.record.save_engine_outcome(begun, begun.started_at, block_sentence)
    before = engine_interrupted(host.agent.store)

    host.agent.check()

    assert (before, engine_interrupted(host.agent.store)) == (True, False)
    assert host.recorded == ["interrupted"]


def test_an_outcome_for_which_the_disk_is_full_is_recorded_by_the_next_run(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Store.write_run

    def fail(store: Store, run_id: str, document: Document) -> None:
        if document["finished_at"] is not None:
            raise HostError("no space left on device")
        written(store, run_id, document)

    with monkeypatch.context() as full:
        full.setattr(Store, "write_run", fail)
        answer = host.upgrade()
    host.agent.check()

    assert "no space" in outcome(answer).message
    assert host.recorded == ["upgraded"]
    assert DockerChangeRecord(host.record.store).load() is None


def recorded_plan(host: Host) -> EnginePlan:
    """Return Docker as the last check recorded it."""
    state = host.agent.store.read(STATE, STATE_SCHEMA)
    assert state is not None
    plan = engine_plan_from_document(state.child("docker"))
    assert isinstance(plan, EnginePlan)
    return plan


def lost(host: Host) -> tuple[str, ...]:
    """Return what the last upgrade lost, as the last check recorded it."""
    found = recorded_plan(host).lost
    assert found is not None
    return found.names


def saved(host: Host) -> DockerSnapshot:
    found = DockerChangeRecord(host.record.store).load()
    assert found is not None
    return found
