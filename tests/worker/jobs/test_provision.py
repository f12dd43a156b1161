"""`provision` with the real job and record on a simulated machine: killed, restarted and asked again at each phase."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.core.hooks import POST_UPGRADE, PRE_UPGRADE, HookVerdict
from agent.core.job_kinds import JobKind, JobOption
from agent.core.model.facts import Reboot
from agent.core.model.outcome import Outcome, ProvisionPhase, Stage
from agent.core.policy.policy import SoakPolicy
from agent.core.provision.model import Provision
from agent.core.schemas import STATE_SCHEMA
from agent.errors import HostError
from agent.state.job_status import REQUESTED_BY_SCHEDULE
from agent.state.provision_record import load_provision, save_provision
from agent.state.record import Record
from agent.state.store import STATE
from agent.worker.jobs import provision, upgrade_run
from agent.worker.protocol import JobAnswer, JobRequest
from tests.core import given
from tests.support.simulated import Killed
from tests.worker.jobs.simulator import Agent, failing, raising


class Server(Agent):
    """A new server: its boot and identity are the test's."""

    boot = "one"
    machine_id = "m"

    def provision(self, *options: JobOption, by: str = "ann") -> JobAnswer:
        context = self.context
        context = replace(context, run_id=context.record.new_run_id(self.machine.now()))
        request = JobRequest(
            kind=JobKind.PROVISION,
            options=frozenset(options),
            requested_by=by,
            session="3",
            state_dir=self.store.directory,
        )
        return provision.run(request, context)

    def need_reboot(self) -> None:
        self.machine.required_reboot = Reboot(required=True, packages=("dbus",))

    def reboot(self) -> None:
        self.boot += "+"
        self.machine.required_reboot = Reboot(required=False)

    @property
    def recorded(self) -> Provision:
        found = load_provision(self.store)
        assert found is not None
        return found


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server(tmp_path)
    made.machine.offer("nginx", "curl")
    monkeypatch.setattr(provision, "boot_id", lambda: made.boot)
    monkeypatch.setattr(provision, "host_id", lambda: made.machine_id)
    return made


def phase(answer: JobAnswer) -> object:
    assert answer.document is not None
    note = answer.document["provision"]
    assert isinstance(note, dict)
    return note["phase"]


def test_without_a_required_restart_it_is_done_in_one_run(server: Server) -> None:
    answer = server.provision()

    assert (answer.exit_code, answer.follow_up, phase(answer)) == (0, None, "done")
    assert server.machine.versions() == {"nginx": "2", "curl": "2"}
    assert server.recorded.runs == tuple(server.store.run_ids())
    assert server.last_plan().text("scope") == "security"


def test_a_required_restart_follows_and_the_job_after_it_reports_the_end(server: Server) -> None:
    server.need_reboot()
    first = server.provision()
    server.reboot()
    server.machine.offer("kernel")
    last = server.provision(by=REQUESTED_BY_SCHEDULE)

    assert first.follow_up is not None
    assert (first.follow_up.kind, first.follow_up.options) == (JobKind.REBOOT, frozenset({JobOption.IF_REQUIRED}))
    assert (first.follow_up.requested_by, first.follow_up.session, phase(first)) == ("ann", "3", "rebooting")
    assert (last.follow_up, phase(last), server.recorded.rebooted) == (None, "done", True)
    assert server.machine.versions()["kernel"] == "2"


def test_a_restart_is_taken_once_although_another_one_is_required_after_it(server: Server) -> None:
    server.need_reboot()
    server.provision()
    server.reboot()
    server.need_reboot()

    last = server.provision(by=REQUESTED_BY_SCHEDULE)

    assert (last.follow_up, phase(last)) == (None, "done")


def test_a_restart_whose_gate_was_closed_is_asked_for_again_without_another_run(server: Server) -> None:
    server.need_reboot()
    first = server.provision()

    again = server.provision(by=REQUESTED_BY_SCHEDULE)

    assert again.follow_up is not None
    assert (again.follow_up.kind, again.follow_up.requested_by) == (JobKind.REBOOT, "ann")
    assert again.document is not None
    assert first.document is not None
    assert again.document["id"] == first.document["id"]
    assert len(server.store.run_ids()) == 1


@pytest.mark.parametrize("content", [None, "{"], ids=["gone", "damaged"])
def test_a_restart_is_asked_for_again_although_the_outcome_before_it_is_lost(
    server: Server, content: str | None
) -> None:
    server.need_reboot()
    server.provision()
    outcome = Path(server.store.directory, "history", f"{server.recorded.runs[0]}.json")
    outcome.unlink() if content is None else outcome.write_text(content)

    again = server.provision(by=REQUESTED_BY_SCHEDULE)

    assert again.follow_up is not None
    assert (again.follow_up.kind, phase(again), len(server.recorded.runs)) == (JobKind.REBOOT, "rebooting", 2)


def test_the_restart_of_a_first_boot_asks_for_no_window(server: Server) -> None:
    server.need_reboot()

    answer = server.provision(by=REQUESTED_BY_SCHEDULE)

    assert answer.follow_up is not None
    assert answer.follow_up.requested_by == "provision"


def test_without_reboot_a_required_restart_is_left(server: Server) -> None:
    server.need_reboot()

    answer = server.provision(JobOption.NO_REBOOT)

    assert (answer.follow_up, phase(answer)) == (None, "done")
    assert answer.document is not None
    assert answer.document["reboot"] == {"required": True, "packages": ["dbus"], "since": None}


@pytest.mark.parametrize("place", ["before_fetch", "before_install"])
def test_a_killed_job_is_continued_by_the_next_one(server: Server, place: str) -> None:
    server.need_reboot()
    getattr(server.machine, place).append(raising(Killed()))
    with pytest.raises(Killed):
        server.provision()
    assert server.recorded.phase is ProvisionPhase.UPGRADING
    server.reboot()  # a power cut is no restart that provisioning has taken
    server.need_reboot()

    answer = server.provision(by=REQUESTED_BY_SCHEDULE)

    assert (phase(answer), server.recorded.rebooted) == ("rebooting", False)
    assert server.machine.versions() == {"nginx": "2", "curl": "2"}
    assert len(server.recorded.runs) == 2


def test_a_job_killed_after_its_outcome_was_recorded_is_done_by_the_next_one(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []

    def save(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            raise Killed
        save_provision(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(provision, "save_provision", save)
    with pytest.raises(Killed):
        server.provision()
    assert not server.recorded.done

    answer = server.provision(by=REQUESTED_BY_SCHEDULE)

    assert (answer.exit_code, phase(answer), server.recorded.done) == (0, "done", True)


@pytest.mark.parametrize("required", [False, True], ids=["last-run", "before-the-restart"])
def test_a_run_whose_outcome_could_not_be_recorded_is_tried_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, *, required: bool
) -> None:
    """The document of a run is larger than that of provisioning: a full disk may have room for one of them."""
    if required:
        server.need_reboot()
    save_outcome = Record.save_outcome

    def save(record: Record, outcome: Outcome, now: datetime) -> None:
        if outcome.finished_at is not None:
            raise HostError("no space left on device")
        save_outcome(record, outcome, now)

    with monkeypatch.context() as full:
        full.setattr(Record, "save_outcome", save)
        first = server.provision()
    after_first = server.recorded.phase
    second = server.provision(by=REQUESTED_BY_SCHEDULE)

    assert (first.exit_code, first.follow_up, after_first) == (1, None, ProvisionPhase.UPGRADING)
    assert (second.follow_up is not None, phase(second)) == (required, "rebooting" if required else "done")
    assert server.last_run().child("provision").raw["phase"] == phase(second)


@pytest.mark.parametrize("required", [False, True], ids=["last-run", "before-the-restart"])
def test_an_end_that_was_recorded_stays_although_what_a_hook_came_to_after_it_could_not_be(
    server: Server, monkeypatch: pytest.MonkeyPatch, *, required: bool
) -> None:
    if required:
        server.need_reboot()
    server.hooks.verdicts = {PRE_UPGRADE: HookVerdict(ran=1), POST_UPGRADE: HookVerdict(ran=1, problem="10-x: failed")}
    save_outcome = Record.save_outcome

    def save(record: Record, outcome: Outcome, now: datetime) -> None:
        if outcome.problem:
            raise HostError("no space left on device")
        save_outcome(record, outcome, now)

    with monkeypatch.context() as full:
        full.setattr(Record, "save_outcome", save)
        answer = server.provision()

    expected = "rebooting" if required else "done"
    assert (answer.exit_code, answer.follow_up is not None, phase(answer)) == (1, required, expected)
    assert server.recorded.phase.value == server.last_run().child("provision").raw["phase"] == expected
    if not required:
        with pytest.raises(provision.AlreadyProvisionedError):
            server.provision(by=REQUESTED_BY_SCHEDULE)


def test_a_failed_run_is_tried_again(server: Server) -> None:
    server.need_reboot()
    server.machine.fails["nginx"] = Stage.CONFIGURE
    first = server.provision()
    server.machine.fails.clear()
    second = server.provision(by=REQUESTED_BY_SCHEDULE)

    assert (first.exit_code, first.follow_up, phase(first)) == (1, None, "upgrading")
    assert (second.exit_code, phase(second)) == (0, "rebooting")


@pytest.mark.parametrize("security", [True, False], ids=["security", "another"])
def test_a_source_that_did_not_answer_is_asked_again_by_a_later_job(server: Server, *, security: bool) -> None:
    server.machine.lists = list(server.machine.archive)
    server.machine.refresh_errors = (failing("archive.example", security=security),)
    first = server.provision()
    server.machine.refresh_errors = ()
    server.machine.offer("later")
    second = server.provision(by=REQUESTED_BY_SCHEDULE)

    assert (first.exit_code, phase(first)) == (10, "upgrading")
    assert (second.exit_code, phase(second)) == (0, "done")
    assert server.machine.versions()["later"] == "2"


def test_what_became_installable_only_in_the_last_round_is_left_to_a_later_job(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade_run, "_MAX_ROUNDS", 1)
    server.machine.before_install.append(lambda: server.machine.offer("kernel"))
    first = server.provision()
    second = server.provision(by=REQUESTED_BY_SCHEDULE)

    assert (first.exit_code, phase(first)) == (10, "upgrading")
    assert (second.exit_code, phase(second)) == (0, "done")


def test_a_provisioned_server_is_left_alone_unless_asked_for_again(server: Server) -> None:
    server.provision()
    server.machine.offer("later")
    with pytest.raises(provision.AlreadyProvisionedError) as refused:
        server.provision()
    before = server.machine.versions()["later"]
    server.provision(JobOption.AGAIN)

    assert refused.value.exit_code == 0
    assert (before, server.machine.versions()["later"]) == ("1", "2")


def test_a_copy_of_a_provisioned_disk_is_another_server(server: Server) -> None:
    server.provision()
    server.machine_id = "copy"
    server.machine.offer("later")

    answer = server.provision()

    assert (phase(answer), server.machine.versions()["later"]) == ("done", "2")
    assert server.recorded.machine == "copy"


def test_a_soak_that_a_new_server_ignores_is_on_record_as_it_is_for_the_daily_upgrade(server: Server) -> None:
    server.policy = given.policy(soak=SoakPolicy(security=timedelta(days=7)))
    server.check()
    before = server.store.read(STATE, STATE_SCHEMA)

    answer = server.provision()

    after = server.store.read(STATE, STATE_SCHEMA)
    assert (phase(answer), server.machine.versions()) == ("done", {"nginx": "2", "curl": "2"})
    assert before is not None
    assert after is not None
    assert before.child("soak").raw["security_s"] == 604800
    assert after.raw["soak"] == before.raw["soak"]


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(hours=2)], ids=["right-clock", "clock-ahead-at-first"])
def test_what_cloud_init_changed_is_named_although_the_clock_was_set_back_since(
    server: Server, monkeypatch: pytest.MonkeyPatch, ahead: timedelta
) -> None:
    boot = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)
    stanzas = [
        f"Start-Date: {boot + after:%Y-%m-%d  %H:%M:%S}\nCommandline: apt-get -o force-unsafe-io dist-upgrade\n"
        for after in (timedelta(days=-9), timedelta(minutes=3))
    ]
    monkeypatch.setattr(provision, "read_history", lambda: "\n".join(stanzas))
    monkeypatch.setattr(provision, "local_zone", lambda: timezone.utc)
    monkeypatch.setattr(provision, "booted_at", lambda: boot)
    monkeypatch.setattr(provision, "first_booted_at", lambda: boot + ahead + timedelta(seconds=5))

    server.provision()

    assert [one.at for one in server.recorded.before] == [boot + timedelta(minutes=3)]


def test_a_damaged_record_is_set_aside_by_the_command(server: Server) -> None:
    Path(server.store.path("provision")).write_text("{")

    assert phase(server.provision()) == "done"
