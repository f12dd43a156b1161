"""Reboots that the daemon requests, as root has scheduled them: tried again while a gate is closed, until their end."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.core.fleet_lock.model import HeldLock, LockAnswer, LockPhase, LockRecord
from agent.core.hooks import HookVerdict
from agent.core.job_kinds import JobKind, JobOption
from agent.core.model.facts import Reboot, Unseen
from agent.core.reboot.gates import GateFacts, RebootOrigin, RebootWhy, UserSession
from agent.core.reboot.model import RebootResult, RebootTrouble
from agent.core.schedule.slots import JobAttempts
from agent.errors import ExitCode, HostError, NothingDoneError
from agent.state.fleet_lock_record import FleetLockRecord
from agent.worker.reboot_runs import reboot_runs
from tests.support.simulated import Killed
from tests.support.simulated_reboot import REFUSED, REQUIRED
from tests.worker.jobs.reboots import Rebooting, document, result

HOOK_FAILED = HookVerdict(ran=1, problem="10-drain: exit code 1")
BOB = UserSession(id="7", user="bob")
MINUTE = timedelta(minutes=1)
BEGAN = datetime(2026, 11, 23, 2, 0, tzinfo=timezone.utc)


@pytest.fixture
def world(tmp_path: Path) -> Rebooting:
    made = Rebooting(tmp_path)
    made.schedule(JobOption.IF_REQUIRED)
    return made


def due(world: Rebooting, attempts: JobAttempts = JobAttempts()) -> dict[str, timedelta]:  # noqa: B008 - frozen
    """Return in which time the daemon requests which job, after such attempts of each."""
    now = world.machine.now()
    found = reboot_runs(
        world.agent.policy,
        world.agent.store,
        dict.fromkeys((JobKind.REBOOT, JobKind.VERIFY_REBOOT), attempts),
        boot_id=world.host.identity.boot_id,
        now=now,
        local=timezone.utc,
    )
    return {job.value: at - now for job, at in found.items()}


def test_a_scheduled_reboot_is_carried_out_and_its_schedule_ends_with_it(world: Rebooting) -> None:
    assert due(world) == {"reboot": timedelta()}
    world.scheduled()
    assert (world.host.reboots, world.last.origin, world.last.requested_by) == (1, RebootOrigin.SCHEDULE, "ann")
    assert due(world) == {"verify-reboot": 5 * MINUTE}

    world.host.come_back()
    assert list(due(world)) == ["verify-reboot"]
    world.verify()
    assert (due(world), world.record.load_schedule(), world.host.reboots) == ({}, None, 1)


def test_it_is_not_carried_out_early(world: Rebooting) -> None:
    world.machine.time -= MINUTE
    with pytest.raises(NothingDoneError):
        world.scheduled()
    assert (due(world), world.host.reboots) == ({"reboot": MINUTE}, 0)


def test_a_schedule_that_was_made_after_the_reboot_began_stays(world: Rebooting) -> None:
    world.scheduled()
    world.machine.time += MINUTE
    later = world.schedule()
    world.host.come_back()
    world.verify()

    assert world.record.load_schedule() == later


def test_users_get_one_message_and_the_next_try_comes_when_their_time_is_over(world: Rebooting) -> None:
    world.host.facts = GateFacts(sessions=(BOB,))
    began = world.machine.now()
    tries = 0
    while not world.host.reboots:
        assert tries < 10
        tries += 1
        world.machine.time += due(world)["reboot"]
        world.scheduled()

    assert (world.machine.now() - began) == 11 * MINUTE  # the grace, and the warning
    assert len(world.host.walls) == 2
    assert [one.result for one in world.outcomes()] == [RebootResult.BLOCKED, RebootResult.REQUESTED]


def test_the_same_closed_gate_is_in_the_history_once(world: Rebooting) -> None:
    world.host.inhibit()
    for _ in range(5):
        answer = world.scheduled()
        assert (answer.exit_code, result(answer), world.course()) == (ExitCode.ATTENTION, "blocked", "waiting")
        world.machine.time += due(world)["reboot"]
    world.host.facts = GateFacts(running="apt-get, pid 7")
    world.scheduled()

    found = [one.blocked.why if one.blocked else None for one in world.outcomes()]
    assert found == [RebootWhy.INHIBITED, RebootWhy.JOB_RUNNING]


def test_a_hook_that_fails_after_a_try_is_in_the_history_and_so_is_the_try_after_which_it_succeeds(
    world: Rebooting,
) -> None:
    world.host.verdicts["post-reboot.d"] = [HookVerdict(ran=1), HOOK_FAILED]
    world.lock.refusals = [REFUSED] * 4
    for _ in range(4):
        world.scheduled()
        world.machine.time += due(world)["reboot"]

    assert [len(one.problems) for one in world.outcomes()] == [0, 1, 0]


def test_a_hook_that_fails_after_each_try_is_in_the_history_once(world: Rebooting) -> None:
    world.host.verdicts["post-reboot.d"] = [HOOK_FAILED] * 5
    world.lock.refusals = [REFUSED] * 5
    for _ in range(5):
        problems = document(world.scheduled())["problems"]
        assert problems == [{"code": "hook-failed", "detail": HOOK_FAILED.problem}]
        world.machine.time += due(world)["reboot"]

    assert [len(one.problems) for one in world.outcomes()] == [1]
    assert world.last.finished_at is not None
    assert len(world.done("post-reboot.d")) == 5


def test_a_hook_that_fails_after_each_try_is_told_although_the_second_one_was_killed(tmp_path: Path) -> None:
    last_step = 0
    while True:
        world = Rebooting(tmp_path / str(last_step))
        world.schedule(JobOption.IF_REQUIRED)
        world.host.verdicts["post-reboot.d"] = [HOOK_FAILED] * 3
        world.lock.refusals = [REFUSED] * 3
        world.scheduled()
        world.machine.time += due(world)["reboot"]
        world.steps.kill_at = len(world.steps.done) + last_step
        try:
            world.scheduled()
        except Killed:
            last_step += 1
        else:
            break
        world.go_on(jobs=1, every=timedelta())

        assert {one.code for one in world.last.problems} == {RebootTrouble.HOOK_FAILED}, last_step
        assert world.last.finished_at is not None
    assert last_step > 5


def test_a_try_that_was_announced_has_its_end_in_the_history_although_the_one_before_waited_for_the_same_gate(
    world: Rebooting,
) -> None:
    world.host.inhibit()
    world.scheduled()
    world.machine.time += due(world)["reboot"]
    world.host.facts = GateFacts()
    world.host.before_reboot = world.host.inhibit
    world.scheduled()

    assert [one.result for one in world.outcomes()] == [RebootResult.BLOCKED, RebootResult.BLOCKED]
    assert [one.finished_at is None for one in world.outcomes()] == [False, False]


def test_a_reboot_that_is_still_blocked_at_its_end_is_given_up(world: Rebooting) -> None:
    world.host.inhibit()
    while world.record.load_schedule() is not None:
        world.scheduled()
        world.machine.time += due(world).get("reboot", timedelta())

    assert (world.last.result, world.course(), world.host.reboots) == (RebootResult.BLOCKED, "", 0)
    assert world.last.message != ""
    assert world.last.blocked is not None
    assert world.last.blocked.why is RebootWhy.INHIBITED


def test_a_machine_that_was_off_at_the_time_is_not_rebooted_later(world: Rebooting) -> None:
    world.machine.time += timedelta(hours=3)
    world.scheduled()

    assert (world.last.result, world.host.reboots, world.record.load_schedule()) == (RebootResult.BLOCKED, 0, None)


def test_a_schedule_ends_although_it_is_unknown_whether_a_reboot_is_required(world: Rebooting) -> None:
    world.machine.required_reboot = Unseen(reason="dpkg's database cannot be read")
    with pytest.raises(HostError):
        world.scheduled()
    world.machine.time += timedelta(hours=2)
    world.scheduled()

    assert (world.last.result, world.host.reboots, world.record.load_schedule()) == (RebootResult.BLOCKED, 0, None)


@pytest.mark.parametrize("soft", [False, True], ids=["boot", "soft-reboot"])
def test_a_boot_after_its_time_ends_the_schedule(world: Rebooting, *, soft: bool) -> None:
    world.schedule()
    world.machine.time += MINUTE
    world.host.come_back(soft=soft)
    world.scheduled()

    assert (world.last.result, world.host.reboots, world.record.load_schedule()) == (RebootResult.NOT_REQUIRED, 0, None)


def test_a_gate_that_does_not_open_by_itself_ends_the_schedule(world: Rebooting) -> None:
    world.host.verdicts["pre-reboot.d"] = [HookVerdict(ran=1, problem="10-drain: exit code 1")]
    world.scheduled()

    assert (world.last.result, world.course(), world.record.load_schedule()) == (RebootResult.BLOCKED, "", None)


def test_a_schedule_stays_until_its_end_is_on_record(world: Rebooting, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise HostError("disk full")

    for need in (REQUIRED, Reboot(required=False)):
        world.machine.required_reboot = need
        with monkeypatch.context() as patched:
            patched.setattr(world.agent.store, "write", full)
            world.scheduled()
        assert (due(world), world.host.reboots) == ({"reboot": timedelta()}, 0)

    world.machine.required_reboot = REQUIRED
    world.scheduled()
    assert world.host.reboots == 1


@pytest.mark.parametrize(
    ("refusal", "pause"),
    [
        pytest.param(REFUSED, None, id="refused"),
        pytest.param(
            LockAnswer(granted=False, why="fleet-lock", detail="full", retry_after=7 * MINUTE), 7 * MINUTE, id="asked"
        ),
    ],
)
def test_a_refused_lock_is_asked_for_again_when_the_server_says(
    world: Rebooting, refusal: LockAnswer, pause: timedelta | None
) -> None:
    world.lock.refusals = [refusal]
    world.scheduled()
    again = due(world)["reboot"]
    assert again == pause or (pause is None and 1.5 * MINUTE <= again <= 2.5 * MINUTE)

    world.machine.time += again
    world.scheduled()
    assert (world.host.reboots, world.lock.taken) == (1, True)


def test_a_need_that_has_gone_ends_the_schedule(world: Rebooting) -> None:
    world.machine.required_reboot = Reboot(required=False)
    world.scheduled()

    assert (world.last.result, world.record.load_schedule(), due(world)) == (RebootResult.NOT_REQUIRED, None, {})


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda world: world.record.end_schedule(), id="cancelled"),
        pytest.param(lambda world: world.schedule(hours=9), id="replaced"),
    ],
)
def test_a_schedule_that_is_cancelled_during_the_warning_stops_it(
    world: Rebooting, act: Callable[[Rebooting], object]
) -> None:
    world.schedule(JobOption.DESPITE_SESSIONS)
    world.host.facts = GateFacts(sessions=(BOB,))

    def change() -> None:
        act(world)

    world.host.on_pause = change
    world.scheduled()

    assert (world.last.result, world.host.reboots, world.lock.taken) == (RebootResult.INTERRUPTED, 0, False)


def test_a_request_that_is_blocked_at_once_leaves_the_waiting_of_another_reboot(world: Rebooting) -> None:
    world.host.inhibit()
    world.scheduled()
    before = world.record.load_course()
    for answer in (world.reboot(), world.reboot(JobOption.IF_REQUIRED)):
        assert answer.exit_code is ExitCode.ATTENTION
    world.machine.required_reboot = Reboot(required=False)
    assert world.reboot(JobOption.IF_REQUIRED).exit_code is ExitCode.OK

    assert before is not None
    assert world.record.load_course() == before


def test_a_waiting_reboot_is_forgotten_by_the_next_boot(world: Rebooting) -> None:
    world.host.inhibit()
    world.scheduled()
    world.host.come_back()
    world.record.end_schedule()
    world.agent.check()

    assert world.course() == ""


def test_a_try_that_was_recorded_while_the_clock_was_ahead_does_not_count(world: Rebooting) -> None:
    world.machine.time += timedelta(hours=1)
    world.host.inhibit()
    world.scheduled()
    world.machine.time -= timedelta(hours=1)

    assert due(world) == {"reboot": timedelta()}


@pytest.mark.parametrize(
    ("last", "again"),
    [
        pytest.param(-MINUTE, MINUTE, id="a-minute-ago"),
        pytest.param(timedelta(), 2 * MINUTE, id="just-now"),
        pytest.param(timedelta(seconds=1), timedelta(), id="ahead"),
        pytest.param(timedelta(days=400), timedelta(), id="far-ahead"),
    ],
)
def test_a_job_that_failed_is_tried_again_after_a_pause_unless_its_time_lies_ahead(
    world: Rebooting, last: timedelta, again: timedelta
) -> None:
    FleetLockRecord(world.agent.store).save(LockRecord(lock=LEFT), BEGAN)
    attempts = JobAttempts(last=world.machine.now() + last, failures=1)

    assert due(world, attempts) == {"reboot": again, "verify-reboot": again}


def test_a_damaged_schedule_reboots_nothing(world: Rebooting) -> None:
    Path(world.agent.store.path("reboot-schedule")).write_text("{")
    assert due(world) == {}
    with pytest.raises(NothingDoneError):
        world.job(JobKind.REBOOT, by="schedule")


def test_a_damaged_course_is_looked_at_by_a_job(world: Rebooting) -> None:
    Path(world.agent.store.path("reboot")).write_text("{")

    assert due(world) == {"verify-reboot": timedelta()}


LEFT = HeldLock(
    phase=LockPhase.RELEASING,
    url="http://127.0.0.1:1",
    group="web",
    id="host-a",
    since=BEGAN,
    boot_id="b",
    soft_reboots=0,
)


@pytest.mark.parametrize(
    ("lock", "jobs"),
    [
        (LEFT, ["verify-reboot"]),
        (replace(LEFT, phase=LockPhase.HELD), ["verify-reboot"]),
        (replace(LEFT, phase=LockPhase.HELD, kept="cron.service failed"), []),
    ],
    ids=["releasing", "of-a-killed-run", "kept"],
)
def test_a_lock_that_is_left_has_the_daemon_start_a_job_that_releases_it(
    tmp_path: Path, lock: HeldLock, jobs: list[str]
) -> None:
    world = Rebooting(tmp_path)
    FleetLockRecord(world.agent.store).save(LockRecord(lock=lock), BEGAN)

    assert list(due(world)) == jobs


def test_a_damaged_record_of_the_lock_is_left_to_a_person(tmp_path: Path) -> None:
    world = Rebooting(tmp_path)
    FleetLockRecord(world.agent.store).save(LockRecord(lock=LEFT), BEGAN)
    Path(world.agent.store.path("fleet-lock")).write_text("{")

    assert due(world) == {}
