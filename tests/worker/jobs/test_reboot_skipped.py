"""A reboot by the policy that somebody stopped, or whose hook failed, is not tried again in that opening."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.hooks import HookVerdict
from agent.core.policy.policy import RebootMode
from agent.core.reboot.model import RebootResult
from agent.errors import NothingDoneError
from tests.support.simulated import Killed
from tests.support.simulated_reboot import REFUSED
from tests.worker.jobs.reboots import Rebooting, require, result

FAILED = HookVerdict(ran=1, problem="10-drain: exit code 1")
DEFERRED = HookVerdict(ran=1, problem="10-drain: exit code 75", deferred=True)
OPENS_AGAIN = timedelta(days=7)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rebooting:
    made = Rebooting(tmp_path, policy=RebootMode.WINDOW, window="Mon 04:00-07:00 UTC")
    require(made, monkeypatch)
    return made


def stop(world: Rebooting) -> None:
    """Have somebody stop a reboot by the policy that begins."""
    world.agent.stop = lambda: "on request"
    world.scheduled()
    world.agent.stop = lambda: ""


def fail(world: Rebooting) -> None:
    """Have a hook fail before a reboot by the policy."""
    world.host.verdicts["pre-reboot.d"] = [FAILED]
    world.scheduled()


def refuse_a_command(world: Rebooting) -> None:
    """Have root ask for a reboot that the fleet lock refuses."""
    world.lock.refusals = [REFUSED]
    assert result(world.reboot()) == "blocked"


def defer_a_command(world: Rebooting) -> None:
    """Have root ask for a reboot that a hook defers."""
    world.host.verdicts["pre-reboot.d"] = [DEFERRED]
    assert result(world.reboot()) == "blocked"


def schedule_and_cancel(world: Rebooting) -> None:
    """Have root schedule a reboot that has to wait, and cancel it."""
    world.schedule()
    world.lock.refusals = [REFUSED]
    assert result(world.scheduled()) == "blocked"
    world.record.end_schedule()


def set_the_clock_back(world: Rebooting) -> None:
    world.machine.time -= timedelta(minutes=30)


@pytest.mark.parametrize("how", [stop, fail])
@pytest.mark.parametrize("then", [refuse_a_command, defer_a_command, schedule_and_cancel, set_the_clock_back])
def test_nothing_else_makes_it_tried_again_before_the_next_opening(
    world: Rebooting, how: Callable[[Rebooting], None], then: Callable[[Rebooting], None]
) -> None:
    how(world)
    then(world)
    world.machine.time += timedelta(minutes=3)
    with pytest.raises(NothingDoneError):
        world.scheduled()
    assert world.host.reboots == 0

    world.machine.time += OPENS_AGAIN
    world.scheduled()
    assert (world.host.reboots, world.last.result) == (1, RebootResult.REQUESTED)


def test_a_command_of_root_reboots_in_that_opening_all_the_same(world: Rebooting) -> None:
    stop(world)

    assert result(world.reboot()) == "requested"


def test_a_hook_that_failed_is_not_run_again_although_the_job_was_killed_while_it_undid_that(world: Rebooting) -> None:
    world.host.verdicts["pre-reboot.d"] = [FAILED]
    ran = world.host.run_hooks

    def killed(name: str, given: object) -> HookVerdict:
        if name == "post-reboot.d":
            world.host.run_hooks = ran  # type: ignore[method-assign]
            raise Killed
        return ran(name, given)  # type: ignore[arg-type]

    world.host.run_hooks = killed  # type: ignore[method-assign,assignment]
    with pytest.raises(Killed):
        world.scheduled()
    world.verify()

    with pytest.raises(NothingDoneError):
        world.scheduled()
    assert world.done("pre-reboot.d", "post-reboot.d") == ["pre-reboot.d", "post-reboot.d"]
