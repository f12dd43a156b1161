"""The agent is killed at every step of a reboot and of its verification; the next job finishes it."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.model.facts import Reboot
from agent.core.reboot.gates import GateFacts, RebootOrigin, UserSession
from agent.core.reboot.model import RebootResult
from agent.errors import BusyError, NothingDoneError
from tests.support.simulated import Killed
from tests.support.simulated_reboot import REFUSED
from tests.worker.jobs.reboots import Rebooting

BOB = UserSession(id="7", user="bob")


def begin(directory: Path, *, watched: bool) -> Rebooting:
    world = Rebooting(directory, warning=timedelta(seconds=3), grace=timedelta())
    if watched:
        world.host.facts = GateFacts(sessions=(BOB,))
    return world


def steps_of(directory: Path, act: Callable[[Rebooting], object], *, watched: bool) -> int:
    """Return how many steps an act has that nothing kills."""
    world = begin(directory, watched=watched)
    act(world)
    return len(world.steps.done)


def reboot_and_return(world: Rebooting) -> None:
    """Reboot, boot, verify."""
    world.reboot()
    world.host.come_back()
    world.verify()


def go_on(world: Rebooting) -> None:
    world.go_on(jobs=2, every=timedelta(minutes=6))


def require_clean(world: Rebooting) -> None:
    """Check that nothing is left, and that what happened was said once."""
    happened = world.host.reboots
    assert happened <= 1
    assert (world.course(), world.host.announced) == ("", None)
    assert (world.lock.taken, world.lock.on_record) == (False, None)
    outcomes = world.outcomes()
    assert len(outcomes) <= 1
    assert all(one.finished_at is not None for one in outcomes)
    if world.host.documents:
        assert world.host.documents[-1][0] == "post-reboot.d", "the machine stays drained"
        assert outcomes, "the hooks ran and nobody knows why"
    if happened:
        assert outcomes[0].result is RebootResult.REBOOTED
        assert outcomes[0].downtime_s == 71
    for one in outcomes:
        assert one.rebooted is bool(happened)


@pytest.mark.parametrize("watched", [False, True], ids=["nobody", "logged-in"])
def test_a_kill_at_any_step_loses_neither_the_lock_nor_the_outcome(tmp_path: Path, *, watched: bool) -> None:
    count = steps_of(tmp_path / "whole", reboot_and_return, watched=watched)
    assert count > 20
    for number in range(count):
        world = begin(tmp_path / str(number), watched=watched)
        world.steps.kill_at = number
        with pytest.raises(Killed):
            reboot_and_return(world)
        go_on(world)
        require_clean(world)


def test_a_kill_while_an_interrupted_reboot_is_finished_is_finished_as_well(tmp_path: Path) -> None:
    count = steps_of(tmp_path / "whole", lambda world: world.reboot(), watched=True)
    tried = 0
    for number in range(count):
        for second in range(number + 1, number + 14, 2):
            world = begin(tmp_path / f"{number}-{second}", watched=True)
            world.steps.kill_at = number
            with pytest.raises(Killed):
                world.reboot()
            if world.host.down:
                world.host.come_back()
            world.machine.time += timedelta(minutes=6)
            world.steps.kill_at = second
            with suppress(Killed, NothingDoneError):
                world.verify()
                continue  # there were fewer steps
            tried += 1
            go_on(world)
            require_clean(world)
    assert tried > 40


@pytest.mark.parametrize("number", range(24))
def test_a_power_cut_at_any_step_is_verified_as_a_reboot_or_leaves_nothing(tmp_path: Path, number: int) -> None:
    world = begin(tmp_path, watched=True)
    world.steps.kill_at = number
    with suppress(Killed):
        world.reboot()
    world.host.come_back(to=Reboot(required=False))
    go_on(world)

    assert (world.course(), world.lock.taken, world.lock.on_record) == ("", False, None)
    assert all(one.result is RebootResult.REBOOTED for one in world.outcomes())


def carry_out(world: Rebooting) -> None:
    """Have the daemon request what is due until the schedule has ended, for three hours at most."""
    for _ in range(30):
        with suppress(NothingDoneError, BusyError):
            world.scheduled()
        if world.host.down:
            world.host.come_back()
            world.verify()
        if world.record.load_schedule() is None:
            return
        world.machine.time += timedelta(minutes=6)


@pytest.mark.parametrize("refused", [False, True], ids=["free", "refused"])
def test_a_scheduled_reboot_comes_all_the_same_after_a_kill_at_any_step_before_it(
    tmp_path: Path, *, refused: bool
) -> None:
    whole = Rebooting(tmp_path / "whole")
    whole.lock.refusals = [REFUSED] if refused else []
    whole.schedule()
    whole.steps.done.clear()
    whole.scheduled()
    for number in range(len(whole.steps.done)):
        world = Rebooting(tmp_path / str(number))
        world.lock.refusals = [REFUSED] if refused else []
        world.schedule()
        world.steps.done.clear()
        world.steps.kill_at = number
        with pytest.raises(Killed):
            world.scheduled()
        was_asked_for = world.course() == "fired" and not world.host.down
        world.steps.kill_at = None
        carry_out(world)

        assert world.record.load_schedule() is None
        assert (world.last.result is RebootResult.REBOOTED) is not was_asked_for, world.steps.done[:number]
        assert world.host.reboots == (0 if was_asked_for else 1)
        assert (world.course(), world.lock.taken, world.lock.on_record) == ("", False, None)


def test_a_scheduled_reboot_whose_job_is_always_killed_is_given_up_at_its_end(tmp_path: Path) -> None:
    world = Rebooting(tmp_path)
    world.schedule()
    for _ in range(20):
        world.steps.done.clear()
        world.steps.kill_at = 3
        with suppress(Killed):
            world.scheduled()
        world.machine.time += timedelta(minutes=6)
    world.steps.kill_at = None
    carry_out(world)

    assert (world.last.result, world.last.origin) == (RebootResult.BLOCKED, RebootOrigin.SCHEDULE)
    assert (world.host.reboots, world.record.load_schedule()) == (0, None)


def test_a_killed_announcement_is_cancelled_before_logind_carries_it_out(tmp_path: Path) -> None:
    world = begin(tmp_path, watched=True)

    def kill() -> None:
        raise Killed

    world.host.on_pause = kill
    with pytest.raises(Killed):
        world.reboot()
    assert world.host.announced is not None

    world.verify()
    assert world.host.announced is None
    assert (world.last.result, world.lock.taken) == (RebootResult.INTERRUPTED, False)
