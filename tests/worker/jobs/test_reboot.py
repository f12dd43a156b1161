"""The whole jobs `reboot` and `verify-reboot`: what happens in which order, and what stops a reboot."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from agent.core.fleet_lock.model import LockAnswer
from agent.core.hooks import HookVerdict
from agent.core.job_kinds import JobKind, JobOption
from agent.core.model.facts import Reboot, Unseen
from agent.core.policy.policy import RebootMode, RebootPolicy, SessionsMode
from agent.core.reboot.gates import GateFacts, LastRun, RebootGate, RebootWhy, ScheduledShutdown, UserSession
from agent.core.reboot.model import LockUse, RebootResult, RebootTrouble
from agent.errors import BusyError, ExitCode, HostError, NothingDoneError
from agent.report.reboot_messages import stopped_message
from tests.support.simulated import Killed
from tests.support.simulated_reboot import DOWN_S, NEW, OLD, REFUSED, REQUIRED, UNREACHABLE
from tests.worker.jobs.engine_upgrades import run_upgrade
from tests.worker.jobs.reboots import Rebooting, document, require, result

BOB = UserSession(id="7", user="bob", terminal="pts/1")
ANN = UserSession(id="3", user="ann")
ORDER = ("pre-reboot.d", "acquire", "write reboot-outcome", "report", "schedule", "reboot", "post-reboot.d", "release")
DEFERRED = HookVerdict(ran=1, problem="10-drain: exit code 75", deferred=True)
FAILED = HookVerdict(ran=1, problem="10-drain: exit code 1")


@pytest.fixture
def world(tmp_path: Path) -> Rebooting:
    return Rebooting(tmp_path)


def closed(world: Rebooting) -> tuple[RebootGate, RebootWhy | None] | None:
    blocked = world.last.blocked
    return (blocked.gate, blocked.why) if blocked else None


def test_a_reboot_goes_through_hooks_and_lock_and_is_on_record_before_it_happens(world: Rebooting) -> None:
    answer = world.reboot()

    assert (answer.exit_code, result(answer)) == (ExitCode.OK, "requested")
    assert (world.host.reboots, world.course(), world.lock.taken) == (1, "fired", True)
    assert world.done(*ORDER) == [
        "pre-reboot.d",
        "acquire",
        "write reboot-outcome",
        "report",
        "write reboot-outcome",
        "reboot",
    ]
    assert (world.last.result, world.last.finished_at, world.last.lock) == (RebootResult.REQUESTED, None, LockUse.HELD)
    assert world.host.walls == []


def test_the_boot_is_verified_and_reported_once_and_only_then_the_lock_is_released(world: Rebooting) -> None:
    world.reboot()
    world.host.come_back()
    world.steps.done.clear()
    answer = world.verify()

    assert (answer.exit_code, result(answer)) == (ExitCode.OK, "rebooted")
    assert world.done(*ORDER)[:3] == ["post-reboot.d", "write reboot-outcome", "release"]
    last = world.last
    assert (last.downtime_s, last.lock, last.problems, last.rebooted) == (DOWN_S, LockUse.RELEASED, (), True)
    assert (last.boot_before != last.boot_after, last.kernel_before, last.kernel_expected) == (True, OLD, NEW)
    assert (world.course(), world.lock.taken, len(world.outcomes())) == ("", False, 1)
    with pytest.raises(NothingDoneError):
        world.verify()


def test_without_a_need_nothing_happens_if_it_is_asked_for_only_then(world: Rebooting) -> None:
    world.machine.required_reboot = Reboot(required=False)
    answer = world.reboot(JobOption.IF_REQUIRED)

    assert (answer.exit_code, result(answer)) == (ExitCode.OK, "not-required")
    assert (world.steps.done, world.outcomes()) == ([], [])


def test_without_a_need_a_person_may_reboot_all_the_same(world: Rebooting) -> None:
    world.machine.required_reboot = Reboot(required=False)
    world.reboot()

    assert world.host.reboots == 1


def test_an_unknown_need_is_no_reason_to_reboot(world: Rebooting) -> None:
    world.machine.required_reboot = Unseen(reason="/run: permission denied")
    with pytest.raises(HostError):
        world.reboot(JobOption.IF_REQUIRED)

    assert world.steps.done == []


def test_a_dry_run_asks_the_gates_and_changes_nothing(world: Rebooting) -> None:
    assert result(world.reboot(JobOption.DRY_RUN)) == "would-reboot"
    world.host.inhibit()
    found = document(world.reboot(JobOption.DRY_RUN))

    assert (found["result"], world.steps.done) == ("blocked", [])


def test_a_dry_run_leaves_an_earlier_reboot_to_a_job(world: Rebooting) -> None:
    world.reboot()
    world.host.come_back()
    world.steps.done.clear()
    world.reboot(JobOption.DRY_RUN)

    assert (world.steps.done, world.course()) == ([], "fired")


def test_a_dry_run_says_until_when_it_would_wait_for_users(world: Rebooting) -> None:
    world.host.facts = GateFacts(sessions=(BOB,))
    found = document(world.reboot(JobOption.DRY_RUN))["blocked"]

    assert isinstance(found, dict)
    assert (found["gate"], found["until"]) == ("sessions", "2026-11-23T05:20:00Z")
    assert world.host.walls == []


_ALONE: list[tuple[str, Callable[[Rebooting], None], RebootGate, RebootWhy]] = [
    (
        "last-run",
        lambda world: _facts(world, last_run=LastRun(result="failed", failed=("nginx",), trusted=False)),
        RebootGate.LAST_RUN,
        RebootWhy.RUN_FAILED,
    ),
    ("dpkg", lambda world: _facts(world, unfinished=("nginx",)), RebootGate.DPKG, RebootWhy.DPKG_UNFINISHED),
    (
        "job-running",
        lambda world: _facts(world, running="apt-get, pid 7"),
        RebootGate.JOB_RUNNING,
        RebootWhy.JOB_RUNNING,
    ),
    ("inhibited", lambda world: world.host.inhibit(), RebootGate.INHIBITED, RebootWhy.INHIBITED),
    (
        "scheduled",
        lambda world: _facts(
            world, scheduled=ScheduledShutdown(kind="poweroff", at=world.machine.now() + timedelta(hours=1))
        ),
        RebootGate.SCHEDULED_BY_OTHER,
        RebootWhy.SCHEDULED_BY_OTHER,
    ),
]


def _facts(world: Rebooting, **changes: object) -> None:
    world.host.facts = replace(world.host.facts, **changes)  # type: ignore[arg-type] # as the tests name them


@pytest.mark.parametrize(("close", "gate", "why"), [pytest.param(*row[1:], id=row[0]) for row in _ALONE])
def test_a_closed_local_gate_stops_it_before_anything_is_prepared(
    world: Rebooting, close: Callable[[Rebooting], None], gate: RebootGate, why: RebootWhy
) -> None:
    close(world)
    answer = world.reboot()

    assert (answer.exit_code, result(answer), closed(world)) == (ExitCode.ATTENTION, "blocked", (gate, why))
    assert (world.done(*ORDER[:2]), world.host.reboots, world.course()) == ([], 0, "")


@pytest.mark.parametrize(("close", "gate", "why"), [pytest.param(*row[1:], id=row[0]) for row in _ALONE])
def test_a_gate_that_closes_after_the_lock_was_taken_releases_it_and_refills_the_machine(
    world: Rebooting, close: Callable[[Rebooting], None], gate: RebootGate, why: RebootWhy
) -> None:
    taken = world.lock.acquire

    def acquire(reason: str) -> object:
        answer = taken(reason)
        close(world)
        return answer

    world.lock.acquire = acquire  # type: ignore[method-assign,assignment]
    answer = world.reboot()

    assert (result(answer), closed(world), world.last.lock) == ("blocked", (gate, why), LockUse.RELEASED)
    assert (world.host.reboots, world.lock.taken, world.course()) == (0, False, "")
    assert [name for name, _ in world.host.documents] == ["pre-reboot.d", "post-reboot.d"]
    given = world.host.documents[-1][1]
    assert (given["result"], given["rebooted"]) == ("blocked", False)


@pytest.mark.parametrize(
    ("verdict", "why"),
    [
        pytest.param(DEFERRED, RebootWhy.HOOK_DEFERRED, id="deferred"),
        pytest.param(FAILED, RebootWhy.HOOK_FAILED, id="failed"),
    ],
)
def test_a_hook_stops_it_and_the_post_hooks_run(world: Rebooting, verdict: HookVerdict, why: RebootWhy) -> None:
    world.host.verdicts["pre-reboot.d"] = [verdict]
    world.reboot()

    assert (closed(world), world.host.reboots) == ((RebootGate.HOOKS, why), 0)
    assert world.done("pre-reboot.d", "acquire", "post-reboot.d") == ["pre-reboot.d", "post-reboot.d"]


@pytest.mark.parametrize("killed", [False, True])
def test_what_fails_of_the_post_hooks_of_a_reboot_that_did_not_happen_is_in_its_outcome(
    world: Rebooting, *, killed: bool
) -> None:
    world.host.verdicts["post-reboot.d"] = [FAILED]
    world.lock.refusals = [REFUSED]
    if killed:
        world.steps.kill_at = 11  # once the hooks are on record as done, before the outcome is final
        with pytest.raises(Killed):
            world.reboot()
        world.go_on(jobs=1, every=timedelta())
    else:
        assert result(world.reboot()) == "blocked"

    assert [name for name, _ in world.host.documents] == ["pre-reboot.d", "post-reboot.d"]
    assert [(one.code, one.detail) for one in world.last.problems] == [(RebootTrouble.HOOK_FAILED, FAILED.problem)]
    assert world.last.finished_at is not None
    assert world.course() == ""


def test_without_hooks_no_post_hooks_run(world: Rebooting) -> None:
    world.host.verdicts["pre-reboot.d"] = [HookVerdict(ran=0)]
    world.lock.refusals = [REFUSED]
    world.reboot()

    assert world.done("post-reboot.d") == []


@pytest.mark.parametrize("refusal", [REFUSED, UNREACHABLE], ids=lambda one: str(one.why))
def test_a_refused_lock_stops_it(world: Rebooting, refusal: LockAnswer) -> None:
    world.lock.refusals = [refusal]
    world.reboot()

    assert (world.last.result, world.host.reboots, world.lock.taken) == (RebootResult.BLOCKED, 0, False)
    assert closed(world) == (RebootGate.FLEET_LOCK, RebootWhy(refusal.why))


def test_a_person_may_pass_the_lock_and_the_outcome_says_so(world: Rebooting) -> None:
    world.lock.refusals = [REFUSED]
    world.reboot(JobOption.DESPITE_LOCK)

    assert (world.host.reboots, world.last.despite) == (1, (RebootGate.FLEET_LOCK,))
    assert [state.gate for state in world.last.gates if state.passed] == [RebootGate.FLEET_LOCK]


def test_a_person_may_pass_a_failed_run(world: Rebooting) -> None:
    _facts(world, last_run=LastRun(result="failed", trusted=False))
    world.reboot(JobOption.DESPITE_LAST_RUN)

    assert (world.host.reboots, [state.gate for state in world.last.gates if state.passed]) == (
        1,
        [RebootGate.LAST_RUN],
    )


def test_no_request_passes_an_inhibitor(world: Rebooting) -> None:
    world.host.inhibit()
    world.reboot(*(option for option in JobOption if option.value.startswith("despite")))

    assert world.host.reboots == 0


def test_others_get_a_message_and_time_to_log_out(world: Rebooting) -> None:
    world.host.facts = GateFacts(sessions=(ANN, BOB))
    began = world.machine.now()
    world.reboot(session="3")

    waited = (world.last.fired_at or began) - began
    assert (world.host.reboots, len(world.host.walls)) == (1, 2)
    assert waited >= timedelta(minutes=11)  # the grace, then the warning


def test_the_machine_reboots_as_soon_as_they_have_logged_out(world: Rebooting) -> None:
    world.host.facts = GateFacts(sessions=(BOB,))

    def log_out() -> None:
        world.host.facts = GateFacts()

    world.host.on_pause = log_out
    began = world.machine.now()
    world.reboot()

    assert world.host.reboots == 1
    assert (world.last.fired_at or began) - began < timedelta(minutes=1)


def test_the_session_of_the_person_who_asks_does_not_count(world: Rebooting) -> None:
    world.host.facts = GateFacts(sessions=(ANN,))
    world.reboot(session="3")

    assert (world.host.reboots, world.host.walls) == (1, [])


def test_nobody_is_asked_to_log_out_while_another_gate_is_closed(world: Rebooting) -> None:
    world.host.facts = GateFacts(sessions=(BOB,))
    world.host.inhibit()

    answer = world.reboot()

    assert (answer.exit_code, world.last.result) == (ExitCode.ATTENTION, RebootResult.BLOCKED)
    assert closed(world) == (RebootGate.INHIBITED, RebootWhy.INHIBITED)
    assert world.host.walls == []


def test_sessions_may_forbid_a_reboot(tmp_path: Path) -> None:
    world = Rebooting(tmp_path, sessions=SessionsMode.NEVER)
    world.host.facts = GateFacts(sessions=(BOB,))
    world.reboot()

    assert (closed(world), world.host.reboots) == ((RebootGate.SESSIONS, RebootWhy.SESSIONS), 0)


def test_the_last_warning_is_visible_at_logind_and_watched(world: Rebooting) -> None:
    world.host.facts = GateFacts(sessions=(BOB,))
    seen = []
    world.host.on_pause = lambda: seen.append(world.host.announced)
    world.reboot(JobOption.DESPITE_SESSIONS)

    fired = world.last.fired_at
    assert fired is not None
    assert (world.host.reboots, len(seen)) == (1, 60)
    assert all(at is not None and at > fired for at in seen)


@pytest.mark.parametrize(
    ("window", "blocked"),
    [
        ("Mon 05:00-07:00 UTC", None),
        ("Mon 06:00-07:00 UTC", (RebootGate.WINDOW, RebootWhy.OUTSIDE_WINDOW)),
        ("Mon 05:00-05:21 UTC", (RebootGate.WINDOW, RebootWhy.OUTSIDE_WINDOW)),
        ("", (RebootGate.WINDOW, RebootWhy.OUTSIDE_WINDOW)),
    ],
    ids=["open", "closed", "over-once-users-have-logged-out", "none"],
)
def test_a_request_for_the_window_reboots_in_it_and_not_later(
    tmp_path: Path, window: str, blocked: tuple[RebootGate, RebootWhy] | None
) -> None:
    world = Rebooting(tmp_path, window=window)
    world.host.facts = GateFacts(sessions=(BOB,))

    world.reboot(JobOption.IF_REQUIRED, in_window=True)

    assert (closed(world), world.host.reboots) == (blocked, 0 if blocked else 1)


def test_a_clock_that_is_set_back_makes_grace_and_warning_little_longer(world: Rebooting) -> None:
    world.host.facts = GateFacts(sessions=(BOB,))
    pauses = 0

    def pass_by() -> None:
        nonlocal pauses
        pauses += 1
        if pauses in {60, 185}:  # in the middle of each: 120 pauses of 5 s, then 60 of 1 s
            world.machine.time -= timedelta(days=1)

    world.host.on_pause = pass_by
    world.reboot()

    assert (world.host.reboots, pauses) == (1, 60 + 120 + 60)


@pytest.mark.parametrize("refuses", ["inhibited", "logind"])
def test_users_who_were_warned_hear_that_systemd_refuses(world: Rebooting, refuses: str) -> None:
    world.host.facts = GateFacts(sessions=(BOB,))
    world.host.before_reboot = world.host.inhibit if refuses == "inhibited" else lambda: None
    world.host.refuses = "Connection reset by peer"
    world.reboot(JobOption.DESPITE_SESSIONS)

    assert (world.host.reboots, world.host.announced, world.lock.taken) == (0, None, False)
    assert world.host.walls[1:] == [stopped_message()]


def test_a_block_inhibitor_taken_during_the_warning_stops_it(world: Rebooting) -> None:
    world.host.facts = GateFacts(sessions=(BOB,))
    world.host.on_pause = world.host.inhibit
    world.reboot(JobOption.DESPITE_SESSIONS)

    assert (closed(world), world.host.reboots) == ((RebootGate.INHIBITED, RebootWhy.INHIBITED), 0)
    assert (world.host.announced, world.lock.taken, len(world.host.walls)) == (None, False, 2)


def test_an_inhibitor_taken_at_the_last_moment_is_named_as_the_reason(world: Rebooting) -> None:
    world.host.before_reboot = world.host.inhibit
    world.reboot()

    assert (closed(world), world.host.reboots) == ((RebootGate.INHIBITED, RebootWhy.INHIBITED), 0)
    assert world.lock.taken is False


def test_a_refusal_of_systemd_without_a_known_reason_is_a_failure(world: Rebooting) -> None:
    world.host.refuses = "Access denied"
    answer = world.reboot()

    assert (answer.exit_code, result(answer)) == (ExitCode.FAILED, "failed")
    assert (world.last.message, world.lock.taken, world.course()) == ("Access denied", False, "")


def test_a_request_to_stop_undoes_what_was_prepared(world: Rebooting) -> None:
    world.host.facts = GateFacts(sessions=(BOB,))

    def stop() -> None:
        world.agent.stop = lambda: "on request"

    world.host.on_pause = stop
    world.reboot(JobOption.DESPITE_SESSIONS)

    assert (world.last.result, world.host.reboots) == (RebootResult.INTERRUPTED, 0)
    assert (world.lock.taken, world.done("post-reboot.d")) == (False, ["post-reboot.d"])


def test_nothing_starts_while_the_machine_goes_down(world: Rebooting) -> None:
    world.reboot()
    jobs: list[Callable[[], object]] = [world.reboot, world.verify, world.agent.check]
    jobs += [partial(run_upgrade, world.agent, kind) for kind in (JobKind.DOCKER_UPGRADE, JobKind.WEAVE_UPGRADE)]
    for job in jobs:
        with pytest.raises(BusyError):
            job()
    assert world.host.reboots == 1


def test_a_reboot_that_did_not_happen_is_said_and_the_lock_is_released(world: Rebooting) -> None:
    world.reboot()
    world.host.down = False
    world.machine.time += timedelta(minutes=6)
    answer = world.verify()

    assert (answer.exit_code, result(answer)) == (ExitCode.ATTENTION, "not-rebooted")
    assert (world.last.rebooted, world.lock.taken, world.done("post-reboot.d")) == (False, False, ["post-reboot.d"])


@pytest.mark.parametrize("job", [JobKind.CHECK, JobKind.UPGRADE, JobKind.REBOOT], ids=lambda kind: kind.value)
def test_every_job_verifies_a_reboot_first(world: Rebooting, job: JobKind) -> None:
    world.reboot()
    world.host.come_back()
    if job is JobKind.CHECK:
        world.agent.check()
    elif job is JobKind.UPGRADE:
        world.agent.upgrade()
    else:
        world.reboot(JobOption.IF_REQUIRED)

    assert (world.last.result, world.course(), world.lock.taken) == (RebootResult.REBOOTED, "", False)


def test_a_check_does_not_wait_for_the_boot_to_finish(world: Rebooting) -> None:
    world.reboot()
    world.host.come_back()
    world.host.boot_takes = timedelta(minutes=3)
    world.agent.check()
    assert (world.course(), world.lock.taken) == ("fired", True)

    world.verify()
    assert (world.last.result, world.lock.taken) == (RebootResult.REBOOTED, False)


_ILL: list[tuple[str, Callable[[Rebooting], None], RebootTrouble]] = [
    ("kernel", lambda world: _need(world, REQUIRED), RebootTrouble.OLD_KERNEL),
    ("flag", lambda world: _need(world, Reboot(required=True, flagged=True)), RebootTrouble.STILL_REQUIRED),
    ("unknown", lambda world: _need(world, Unseen(reason="gone")), RebootTrouble.STILL_REQUIRED),
    ("unit", lambda world: _failed(world, ("cron.service", "nginx.service")), RebootTrouble.UNIT_FAILED),
    ("units", lambda world: _failed(world, Unseen(reason="no answer")), RebootTrouble.UNITS_UNKNOWN),
    ("boot", lambda world: _hang(world), RebootTrouble.NOT_STARTED),
    ("hook", lambda world: world.host.verdicts.update({"post-reboot.d": [FAILED]}), RebootTrouble.HOOK_FAILED),
]


def _need(world: Rebooting, need: Reboot | Unseen) -> None:
    world.machine.required_reboot = need


def _failed(world: Rebooting, units: tuple[str, ...] | Unseen) -> None:
    world.host.failed = units


def _hang(world: Rebooting) -> None:
    world.host.boot_takes = None


@pytest.mark.parametrize(("ail", "trouble"), [pytest.param(*row[1:], id=row[0]) for row in _ILL])
def test_a_machine_that_came_back_ill_keeps_its_lock_and_says_so(
    world: Rebooting, ail: Callable[[Rebooting], None], trouble: RebootTrouble
) -> None:
    world.host.failed = ("cron.service",)
    world.reboot()
    world.host.come_back()
    ail(world)
    answer = world.verify()

    assert (answer.exit_code, result(answer)) == (ExitCode.ATTENTION, "rebooted-with-problems")
    assert [problem.code for problem in world.last.problems] == [trouble]
    assert (world.last.lock, world.lock.taken, world.course()) == (LockUse.KEPT, True, "")
    world.agent.check()
    assert world.lock.taken


def test_a_unit_that_had_failed_before_is_no_problem(world: Rebooting) -> None:
    world.host.failed = ("cron.service",)
    world.reboot()
    world.host.come_back()
    world.verify()

    assert world.last.problems == ()


def reboots_by_somebody(world: Rebooting) -> None:
    world.host.down = True


def stops_the_services(world: Rebooting) -> None:
    """systemd ends the worker on its way down."""
    world.host.down = True
    world.agent.stop = lambda: "by systemd"


@pytest.mark.parametrize("act", [reboots_by_somebody, stops_the_services])
def test_the_lock_is_held_while_somebody_else_takes_the_machine_down(
    tmp_path: Path, act: Callable[[Rebooting], None]
) -> None:
    world = Rebooting(tmp_path, warning=timedelta(seconds=30))
    world.host.facts = GateFacts(sessions=(BOB,))

    def shut() -> None:
        act(world)
        world.host.facts = GateFacts(running="apt")

    world.host.on_pause = shut
    with pytest.raises(BusyError):
        world.reboot(JobOption.DESPITE_SESSIONS)
    held, phase = world.lock.taken, world.course()
    world.host.come_back()
    world.verify()

    assert (held, phase, world.done("release")) == (True, "announced", ["release"])
    assert (world.last.result, world.lock.taken) == (RebootResult.REBOOTED, False)


@pytest.fixture
def ill(world: Rebooting) -> Rebooting:
    """Return a machine that keeps the lock, as cron has failed since its reboot."""
    world.reboot()
    world.host.come_back()
    world.host.failed = ("cron.service",)
    world.verify()
    assert world.last.lock is LockUse.KEPT
    return world


def test_a_unit_for_which_the_lock_is_kept_is_a_problem_until_it_runs_again(ill: Rebooting) -> None:
    ill.reboot()
    ill.host.come_back()
    ill.verify()
    again = ill.last
    ill.reboot()
    ill.host.failed = ()
    ill.host.come_back()
    ill.verify()

    assert (again.result, again.lock) == (RebootResult.REBOOTED_WITH_PROBLEMS, LockUse.KEPT)
    assert (ill.last.result, ill.last.lock, ill.lock.taken) == (RebootResult.REBOOTED, LockUse.RELEASED, False)


@pytest.mark.parametrize("stage", ["hooks", "lock", "logind"])
def test_a_reboot_that_does_not_happen_leaves_a_lock_that_is_kept(ill: Rebooting, stage: str) -> None:
    if stage == "hooks":
        ill.host.verdicts["pre-reboot.d"] = [DEFERRED]
    elif stage == "lock":
        ill.lock.refusals = [UNREACHABLE]
    else:
        ill.host.refuses = "Access denied"
    ill.reboot()
    ill.agent.check()

    assert ill.last.rebooted is False
    assert ill.lock.taken
    assert ill.lock.on_record is not None
    assert ill.lock.on_record.kept


def test_a_flag_that_was_set_since_the_boot_is_no_problem(world: Rebooting) -> None:
    world.reboot()
    later = world.machine.now() + timedelta(seconds=DOWN_S + 5)
    world.host.come_back(to=Reboot(required=True, flagged=True, since=later))
    world.verify()

    assert world.last.result is RebootResult.REBOOTED


def test_a_soft_reboot_does_not_count_as_the_reboot_of_a_kernel(world: Rebooting) -> None:
    world.reboot()
    world.host.come_back(soft=True, to=REQUIRED)
    world.verify()

    assert (world.last.result, world.last.problems[0].code) == (
        RebootResult.REBOOTED_WITH_PROBLEMS,
        RebootTrouble.OLD_KERNEL,
    )


def test_the_release_is_tried_again_while_the_network_comes_up(world: Rebooting) -> None:
    world.reboot()
    world.host.come_back()
    world.lock.deaf = [UNREACHABLE] * 3
    world.verify()

    assert (world.last.lock, world.lock.taken) == (LockUse.RELEASED, False)


def test_a_lock_that_cannot_be_released_is_released_by_the_next_job(world: Rebooting) -> None:
    world.reboot()
    world.host.come_back()
    world.lock.deaf = [UNREACHABLE] * 5
    world.verify()
    assert (world.last.lock, world.lock.taken, world.course()) == (LockUse.RELEASING, True, "")

    Path(world.agent.store.path("fleet-lock")).write_text("{}")  # as the adapter leaves it
    assert world.verify().exit_code == ExitCode.OK
    assert (world.last.lock, world.lock.taken) == (LockUse.RELEASED, False)


def test_a_damaged_course_does_not_lose_the_lock(world: Rebooting) -> None:
    world.reboot()
    world.host.come_back()
    Path(world.agent.store.path("reboot")).write_text("{")
    world.verify()

    assert (world.last.result, world.lock.taken) == (RebootResult.REBOOTED, False)


def test_a_full_disk_stops_it_before_anything_is_prepared(world: Rebooting, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise HostError("disk full")

    monkeypatch.setattr(world.agent.store, "write", full)
    answer = world.reboot()

    assert (answer.exit_code, result(answer), world.host.reboots) == (ExitCode.FAILED, "failed", 0)
    assert world.done("pre-reboot.d", "acquire") == []


def test_the_policy_never_reboots_by_itself(world: Rebooting) -> None:
    with pytest.raises(NothingDoneError):
        world.scheduled()
    assert world.host.reboots == 0


def test_the_policy_reboots_in_its_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = Rebooting(tmp_path, policy=RebootMode.WINDOW, window="Mon 05:00-07:00 UTC")
    require(world, monkeypatch)
    world.scheduled()
    assert (world.host.reboots, world.last.origin.value) == (1, "policy")

    world = Rebooting(tmp_path / "later", policy=RebootMode.WINDOW, window="Mon 05:00-07:00 UTC")
    world.machine.time += timedelta(hours=2)
    with pytest.raises(NothingDoneError):
        world.scheduled()
    assert world.host.reboots == 0


def test_a_reboot_in_a_window_that_somebody_stopped_comes_in_the_next_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Rebooting(tmp_path, policy=RebootMode.WINDOW, window="Mon 05:00-07:00 UTC")
    require(world, monkeypatch)
    world.agent.stop = lambda: "on request"
    world.scheduled()
    assert (world.last.result, world.host.reboots, world.lock.taken) == (RebootResult.INTERRUPTED, 0, False)

    world.agent.stop = lambda: ""
    with pytest.raises(NothingDoneError):
        world.scheduled()
    world.machine.time += timedelta(days=7)
    world.scheduled()
    assert world.host.reboots == 1


def test_a_configuration_that_changes_during_the_warning_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Rebooting(tmp_path, policy=RebootMode.WINDOW, window="Mon 05:00-07:00 UTC", grace=timedelta())
    require(world, monkeypatch)
    world.host.facts = GateFacts(sessions=(BOB,))
    world.host.on_pause = lambda: setattr(world.agent, "policy", replace(world.agent.policy, reboot=RebootPolicy()))
    world.scheduled()

    assert (closed(world), world.host.reboots) == ((RebootGate.POLICY, RebootWhy.POLICY_NEVER), 0)
    assert (world.lock.taken, world.course()) == (False, "")


def test_a_blocked_request_does_not_make_the_opening_one_in_which_the_machine_was_not_rebooted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Rebooting(tmp_path, policy=RebootMode.WINDOW, window="Mon 05:00-07:00 UTC")
    require(world, monkeypatch)
    world.scheduled()
    world.host.come_back()
    world.verify()
    world.machine.required_reboot = REQUIRED
    world.host.inhibit()
    world.reboot()
    world.host.facts, world.host.refuses = GateFacts(), ""
    assert world.last.result is RebootResult.BLOCKED

    with pytest.raises(NothingDoneError):
        world.scheduled()
    assert world.host.reboots == 1


def test_a_window_that_ends_while_hooks_run_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = Rebooting(tmp_path, policy=RebootMode.WINDOW, window="Mon 05:00-07:00 UTC")
    require(world, monkeypatch)
    ran = world.host.run_hooks

    def slow(name: str, given: object) -> HookVerdict:
        world.machine.time += timedelta(hours=2)
        return ran(name, given)  # type: ignore[arg-type]

    world.host.run_hooks = slow  # type: ignore[method-assign,assignment]
    world.scheduled()

    assert (closed(world), world.host.reboots) == ((RebootGate.WINDOW, RebootWhy.OUTSIDE_WINDOW), 0)
    assert (world.lock.taken, world.done("post-reboot.d")) == (False, ["post-reboot.d"])
