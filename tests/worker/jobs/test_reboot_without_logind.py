"""A reboot of a machine without logind, whose users are those of utmp: they are warned, and an undo is whole."""

from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.reboot.gates import GateFacts, UserSession
from agent.core.reboot.model import RebootResult
from agent.report.reboot_messages import stopped_message
from tests.support.simulated import Killed
from tests.worker.jobs.reboots import Rebooting

BOB = UserSession(id="", user="bob", terminal="pts/1")
WARNING = timedelta(minutes=2)


@pytest.fixture
def world(tmp_path: Path) -> Rebooting:
    made = Rebooting(tmp_path, grace=timedelta(), warning=WARNING)
    made.host.facts = GateFacts(sessions=(BOB,), logind=False)
    return made


@pytest.mark.parametrize("by", ["command", "schedule"])
def test_users_get_the_last_warning_and_its_time(world: Rebooting, by: str) -> None:
    began = world.machine.now()
    if by == "schedule":
        world.schedule()
        world.scheduled()
    else:
        world.reboot()

    assert (world.host.reboots, len(world.host.walls)) == (1, 1)
    assert world.machine.now() - began == WARNING


def test_a_request_to_stop_during_the_warning_undoes_hooks_and_lock(world: Rebooting) -> None:
    world.host.on_pause = lambda: setattr(world.agent, "stop", lambda: "on request")
    world.reboot()

    assert (world.last.result, world.host.reboots, world.course()) == (RebootResult.INTERRUPTED, 0, "")
    assert (world.lock.taken, world.done("pre-reboot.d", "post-reboot.d")) == (False, ["pre-reboot.d", "post-reboot.d"])
    assert world.host.walls[1:] == [stopped_message()]


def test_a_job_that_is_killed_during_the_warning_is_undone_by_the_next_one(world: Rebooting) -> None:
    def kill() -> None:
        raise Killed

    world.host.on_pause = kill
    with pytest.raises(Killed):
        world.reboot()
    world.verify()

    assert (world.last.result, world.host.reboots, world.course()) == (RebootResult.INTERRUPTED, 0, "")
    assert (world.lock.taken, world.done("post-reboot.d")) == (False, ["post-reboot.d"])
