"""`weave-upgrade` from the request to the record, on a Weave of values; a double on a real engine is in tests/machines.

Cases W7, W10, W11, W14, W20, W22, B7.
"""

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.core.hooks import HookVerdict
from agent.core.job_kinds import JobKind, JobOption
from agent.core.manifest import Manifest
from agent.core.model.docker import NO_DOCKER, DockerFacts, Flavour
from agent.core.model.engine_outcome import EngineOutcome
from agent.core.policy.policy import ScriptDigests
from agent.core.weave.snapshot import SavedScript, WeavePhase
from agent.errors import HostError, PlanChangedError, RecordError
from agent.state.engine_interrupted import engine_interrupted
from agent.state.record import Record
from agent.state.store import OWED_HOOKS
from agent.state.weave_change import WeaveChangeRecord
from agent.worker.jobs import weave_upgrade
from agent.worker.protocol import JobAnswer
from agent.worker.steps.weave import router
from tests.core.docker.given_docker import NEW as DOCKER_NEW
from tests.core.docker.given_docker import OLD as DOCKER_OLD
from tests.core.docker.given_docker import docker
from tests.core.weave.given_weave import NEW, OLD
from tests.worker.jobs.engine_upgrades import run_upgrade
from tests.worker.jobs.simulator import Agent, raising
from tests.worker.steps.docker.fake_engine import CONTAINERS
from tests.worker.steps.weave.fake_weave import PASSWORD, FakeWeave, KilledError

LAUNCH = "launch --ipalloc-range 10.2.0.0/16 192.168.77.2"
IMAGE = f"rajchaudhuri/weave:{NEW}"


class Host:
    """The agent on a machine with Weave 2.8.10; the manifest wants 2.9.0."""

    def __init__(self, directory: Path, **fields: Any) -> None:
        self.agent = Agent(directory)
        self.agent.manifest = Manifest(weave_version=NEW)
        pins = ScriptDigests(by_version=((NEW, "new"),))
        weave = replace(self.agent.policy.weave, source="/srv/weave", sha256=pins)
        self.agent.policy = replace(self.agent.policy, weave=weave)
        self.engines = self.agent.machine.engines
        self.engines.install_engine(*CONTAINERS)
        self.weave = FakeWeave(**fields)
        self.engines.install_weave(self.weave)

    def upgrade(self, *options: JobOption, plan_id: str | None = None) -> JobAnswer:
        """Run the job."""
        return run_upgrade(self.agent, JobKind.WEAVE_UPGRADE, options, plan_id)

    @property
    def snapshot(self) -> WeaveChangeRecord:
        return WeaveChangeRecord(self.agent.store)

    @property
    def recorded(self) -> list[str]:
        """Component and result of the runs in the history, newest first."""
        runs = [self.agent.store.read_run(run_id) for run_id in self.agent.store.run_ids()]
        return [f"{run.text('component')} {run.text('result')}" for run in runs if run is not None]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """Return such a machine, on which no time passes."""
    monkeypatch.setattr(router, "_GIVEN_UP_S", 0.0)
    monkeypatch.setattr(router, "_PATIENCE_S", 0.0)
    return Host(tmp_path)


def document(answer: JobAnswer) -> dict[str, Any]:
    assert answer.document is not None
    return answer.document


def test_weave_is_upgraded_and_nothing_is_kept(host: Host) -> None:
    answer = host.upgrade()

    assert answer.exit_code == 0
    shown = document(answer)
    assert (shown["component"], shown["result"]) == ("weave", "upgraded")
    assert (shown["from"], shown["to"], shown["running"]) == (OLD, NEW, NEW)
    assert shown["packages"] == [{"package": "weave", "from": OLD, "to": NEW}]
    assert host.weave.done == ["stop", "install", LAUNCH]
    assert host.recorded == ["weave upgraded"]
    assert not host.agent.store.has("weave-snapshot")
    assert (host.engines.weave_files.password(), host.weave.staged) == ("", "")
    assert host.engines.host.hooks == ["pre-weave.d"]


def test_w14_the_password_is_in_no_file_and_no_line(host: Host, tmp_path: Path) -> None:
    host.weave.broken = {NEW}

    answer = host.upgrade()

    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert PASSWORD not in written + json.dumps(document(answer)) + "".join(host.agent.progress)


def test_nothing_is_done_where_weave_is_as_wanted(host: Host) -> None:
    host.upgrade()

    answer = host.upgrade()

    assert (answer.exit_code, document(answer)["result"]) == (0, "unchanged")
    assert host.recorded == ["weave unchanged", "weave upgraded"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"source_problem": "its SHA-256 is another"}, "download-failed"),
        ({"absent_images": {IMAGE: "no such host"}}, "download-failed"),
    ],
    ids=["w7-checksum", "w10-image"],
)
def test_w7_w10_what_cannot_be_had_blocks_and_weave_runs_on(host: Host, fields: dict[str, Any], why: str) -> None:
    for name, value in fields.items():
        setattr(host.weave, name, value)

    answer = host.upgrade()

    assert (answer.exit_code, document(answer)["result"]) == (10, "blocked")
    assert [one["why"] for one in document(answer)["blocked"]] == [why]
    assert (host.weave.script, host.weave.state, host.weave.staged) == ("old", "running", "")
    assert "stop" not in host.weave.done
    assert not host.agent.store.has("weave-snapshot")


def test_w10_a_missing_image_is_pulled_before_anything_stops(host: Host) -> None:
    host.weave.absent_images = {IMAGE: ""}

    assert host.upgrade().exit_code == 0
    assert host.weave.done[:2] == [f"pull {IMAGE}", "stop"]


def test_w10_the_images_of_before_are_there_before_anything_stops_for_the_way_back(host: Host) -> None:
    helper = f"rajchaudhuri/weaveexec:{OLD}"
    host.weave.absent_images = {helper: "no such host"}

    answer = host.upgrade()

    assert [one["why"] for one in document(answer)["blocked"]] == ["download-failed"]
    assert host.weave.done == [f"pull {helper}"]


def test_seen_w9_a_router_whose_password_is_unknown_is_not_stopped(host: Host) -> None:
    host.weave.known_password = ""

    answer = host.upgrade()

    assert (answer.exit_code, document(answer)["result"]) == (1, "blocked")
    assert (host.weave.done, host.weave.state, host.agent.store.has("weave-snapshot")) == ([], "running", False)


def test_a_full_disk_after_the_change_is_not_taken_for_one_before_it(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(record: Record, engines: Collection[str]) -> None:
        raise HostError(f"{record.store.directory}: no space for {len(engines)} engines")

    monkeypatch.setattr(Record, "save_engines", full)

    answer = host.upgrade()

    assert (answer.exit_code, document(answer)["result"]) == (0, "upgraded")
    assert (host.recorded, host.agent.store.has("weave-snapshot")) == (["weave upgraded"], False)


def test_an_outcome_that_cannot_be_written_is_recorded_by_the_next_run(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Record.save_engine_outcome

    def full(record: Record, outcome: EngineOutcome, *given: Any) -> None:
        if outcome.finished_at is not None:
            raise HostError("no space")
        save(record, outcome, *given)

    with monkeypatch.context() as disk:
        disk.setattr(Record, "save_engine_outcome", full)
        assert document(host.upgrade())["result"] == "upgraded"
    assert host.agent.store.has("weave-snapshot")

    host.agent.check()

    assert (host.recorded, host.agent.store.has("weave-snapshot")) == (["weave upgraded"], False)


def test_seen_m2_a_peer_whose_name_does_not_resolve_defers_the_upgrade(host: Host) -> None:
    host.weave.names = ()

    answer = host.upgrade()

    assert (answer.exit_code, document(answer)["result"]) == (10, "blocked")
    assert "192.168.77.2" in document(answer)["message"]
    assert host.weave.done == []


def test_w11_a_router_that_dies_is_rolled_back_with_a_truthful_record(host: Host) -> None:
    host.weave.broken = {NEW}

    answer = host.upgrade()

    assert (answer.exit_code, document(answer)["result"]) == (1, "rolled-back")
    assert (document(answer)["running"], document(answer)["packages"]) == (OLD, [])
    assert document(answer)["rollback"]["done"] is True
    assert not host.agent.store.has("weave-snapshot")


def test_d47_a_failed_rollback_blocks_the_next_run_until_a_person_has_looked(host: Host) -> None:
    host.weave.broken = {NEW, OLD}
    assert document(host.upgrade())["result"] == "failed-needs-attention"
    assert host.engines.weave_files.password() == PASSWORD

    blocked = host.upgrade()
    assert [one["why"] for one in document(blocked)["blocked"]] == ["failed-before"]
    host.weave.broken, host.weave.state, host.weave.version = set(), "running", OLD

    assert document(host.upgrade(JobOption.AFTER_FAILURE))["result"] == "upgraded"
    assert not host.agent.store.has("weave-snapshot")


def test_what_cannot_be_kept_changes_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def keep(script: SavedScript, password: str) -> SavedScript:
        raise HostError(f"no space for {script.path} and {len(password)} more")

    monkeypatch.setattr(host.engines.weave_files, "keep", keep)

    answer = host.upgrade()

    assert (answer.exit_code, document(answer)["result"]) == (1, "blocked")
    assert "no space" in document(answer)["message"]
    assert (host.weave.done, host.weave.staged, host.agent.store.has("weave-snapshot")) == ([], "", False)
    assert host.recorded == ["weave blocked"]


def test_w14_a_run_that_is_killed_as_it_keeps_the_password_leaves_it_to_the_next_check(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(script: SavedScript, password: str) -> SavedScript:
        host.engines.weave_files.kept_password = password
        raise KilledError(script.path)

    monkeypatch.setattr(host.engines.weave_files, "keep", keep)
    with pytest.raises(KilledError):
        host.upgrade()
    assert host.engines.weave_files.password() == PASSWORD

    host.agent.check()

    assert (host.engines.weave_files.password(), host.agent.store.has("weave-snapshot")) == ("", False)
    assert (host.weave.done, host.recorded) == ([], ["weave interrupted"])


@pytest.mark.parametrize("act", range(3))
@pytest.mark.parametrize("by_check", [True, False], ids=["check", "the-next-upgrade"])
def test_an_interrupted_run_is_finished_by_the_next_job(host: Host, act: int, *, by_check: bool) -> None:
    host.weave.kill_at = act
    with pytest.raises(KilledError):
        host.upgrade()
    assert host.agent.store.has("weave-snapshot")

    if by_check:
        host.agent.check()
    else:
        host.upgrade()

    assert not host.agent.store.has("weave-snapshot")
    assert host.weave.state == "running"
    assert host.recorded[-1] in {"weave upgraded", "weave interrupted"}


def _interrupted_and_then(host: Host, docker: DockerFacts) -> None:
    """Kill an upgrade; then its owner replaces Docker."""
    host.weave.kill_at = 1
    with pytest.raises(KilledError):
        host.upgrade()
    host.engines.operator.facts = NO_DOCKER
    host.engines.docker_facts = docker
    host.weave.state, host.weave.script = "", ""
    host.agent.manifest = Manifest()


def test_an_interrupted_run_ends_once_docker_was_removed_and_the_password_goes(host: Host) -> None:
    _interrupted_and_then(host, NO_DOCKER)

    host.agent.check()

    assert (host.recorded, host.agent.store.has("weave-snapshot")) == (["weave interrupted"], False)
    assert (host.engines.weave_files.password(), engine_interrupted(host.agent.store)) == ("", False)


def test_an_interrupted_run_ends_for_a_person_who_put_another_engine_in_dockers_place(host: Host) -> None:
    _interrupted_and_then(host, DockerFacts(flavour=Flavour.PODMAN))

    host.agent.check()
    stays = host.agent.store.has("weave-snapshot")
    with pytest.raises(HostError):
        host.upgrade()
    host.upgrade(JobOption.AFTER_FAILURE)

    assert (stays, host.agent.store.has("weave-snapshot"), host.engines.weave_files.password()) == (True, False, "")


def test_an_engine_that_is_only_stopped_keeps_what_finishes_an_interrupted_run(host: Host) -> None:
    _interrupted_and_then(host, docker(engine=None, containers=None))

    with pytest.raises(HostError):
        host.upgrade(JobOption.AFTER_FAILURE)

    assert host.engines.weave_files.password() == PASSWORD


def test_a_damaged_snapshot_of_an_interrupted_run_stays_until_a_person_accepts_what_runs(host: Host) -> None:
    host.weave.kill_at = 1
    with pytest.raises(KilledError):
        host.upgrade()
    Path(host.agent.store.path("weave-snapshot")).write_text("{")

    host.agent.check()
    stays = host.agent.store.has("weave-snapshot")
    with pytest.raises(RecordError, match="--after-failure"):
        host.upgrade()
    host.upgrade(JobOption.AFTER_FAILURE)

    assert (stays, host.agent.store.has("weave-snapshot")) == (True, False)
    assert host.recorded[-1] == "weave interrupted"


def test_a_hook_defers_the_upgrade(host: Host) -> None:
    host.engines.host.verdicts["pre-weave.d"] = HookVerdict(ran=1, problem="later", deferred=True)

    answer = host.upgrade()

    assert [one["why"] for one in document(answer)["blocked"]] == ["hook-deferred"]
    assert host.engines.host.hooks == ["pre-weave.d", "post-weave.d"]
    assert (host.weave.done, host.weave.staged) == ([], "")


def test_after_a_kill_the_run_that_finishes_it_runs_the_post_hooks_once(host: Host) -> None:
    host.engines.host.verdicts["pre-weave.d"] = HookVerdict(ran=1)
    host.weave.kill_at = 1
    with pytest.raises(KilledError):
        host.upgrade()
    host.engines.host.hooks.clear()  # those of the killed process

    host.agent.check()
    host.agent.check()

    assert host.engines.host.hooks == ["post-weave.d"]


def test_after_a_kill_while_hooks_run_after_a_change_that_did_not_begin_the_next_job_runs_them_once(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = HookVerdict(ran=1)
    for hooks in (host.agent.hooks, host.engines.host):
        hooks.verdicts = {"pre-weave.d": ran, "post-weave.d": ran}
    host.engines.host.during["post-weave.d"] = raising(KilledError("post-weave.d"))
    monkeypatch.setattr(weave_upgrade, "perform_weave", lambda *_: raising(HostError("no space left on device"))())
    with pytest.raises(KilledError):
        host.upgrade()

    host.agent.check()
    host.agent.check()

    assert host.recorded == ["weave blocked"]
    assert host.agent.hooks.ran == ["post-weave.d"]
    assert not host.agent.store.has(OWED_HOOKS)


def test_a_stop_request_before_the_stop_of_the_router_changes_nothing(host: Host) -> None:
    host.agent.stop = lambda: "on request"

    answer = host.upgrade()

    assert (answer.exit_code, document(answer)["result"]) == (1, "interrupted")
    assert host.weave.done == []
    assert host.weave.staged == ""


def test_another_plan_is_not_carried_out(host: Host) -> None:
    with pytest.raises(PlanChangedError):
        host.upgrade(plan_id="0123456789ab")

    assert host.weave.done == []


def test_a_dry_run_answers_with_the_plan(host: Host) -> None:
    answer = host.upgrade(JobOption.DRY_RUN)

    assert document(answer)["schema"] == "maestro.engine-plan/1"
    assert (answer.exit_code, host.weave.done, host.recorded) == (10, [], [])


def test_b7_each_component_has_a_result_of_its_own(host: Host) -> None:
    host.agent.manifest = Manifest(weave_version=NEW, docker_version="26.1.5")
    host.engines.offered = {"docker.io": (DOCKER_NEW, DOCKER_OLD), "docker-cli": (DOCKER_NEW,)}
    host.engines.operator.broken = {DOCKER_NEW}

    weave, docker = host.upgrade(), run_upgrade(host.agent, JobKind.DOCKER_UPGRADE)

    assert (weave.exit_code, document(weave)["result"]) == (0, "upgraded")
    assert (docker.exit_code, document(docker)["result"]) == (1, "rolled-back")
    assert host.recorded == ["docker rolled-back", "weave upgraded"]
    assert (host.weave.version, host.weave.state) == (NEW, "running")


def test_the_snapshot_of_an_interrupted_run_shows_its_phase(host: Host) -> None:
    host.weave.kill_at = 1
    with pytest.raises(KilledError):
        host.upgrade()

    saved = host.snapshot.load()
    assert saved
    assert saved.phase is WeavePhase.REPLACING
