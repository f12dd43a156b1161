"""Reboots with the real client of the fleet lock at servers of three dialects: kills at every step, faulty calls."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.fleet_lock.server import LockServer as Configured
from agent.core.fleet_lock.server import LockTimeouts
from agent.core.fleet_lock.transitions import ACQUIRE_SETTLES
from agent.core.reboot.gates import GateFacts
from agent.core.reboot.model import LockUse, RebootResult
from agent.host.fleet_lock import LocalFleetLock, LockOwner
from agent.state.fleet_lock_record import FleetLockRecord
from tests.support.lock_hosts import GROUP, SHORT
from tests.support.lock_servers import DIALECTS, FAULTS, SILENT, LockServer, Semaphores, lock_server
from tests.support.simulated import Killed
from tests.worker.jobs.reboots import Rebooting

OTHER = (GROUP, "another-host")
PATIENT = LockTimeouts(acquire=timedelta(minutes=1), release=timedelta(minutes=1))
"""Where no call hangs: a bound for a busy machine."""


@pytest.fixture(params=list(DIALECTS))
def semaphores(request: pytest.FixtureRequest) -> Semaphores:
    return DIALECTS[request.param]({GROUP: 1})


@pytest.fixture
def server(semaphores: Semaphores) -> Iterator[LockServer]:
    with lock_server(semaphores) as served:
        yield served


def begin(directory: Path, server: LockServer, timeouts: LockTimeouts = PATIENT) -> Rebooting:
    world = Rebooting(directory)
    lock = LocalFleetLock(
        Configured(url=server.url, group=GROUP, id="this-host"),
        FleetLockRecord(world.agent.store),
        LockOwner(boot=world.host.boot, run_id="run"),
        timeouts=timeouts,
        alive=lambda: world.steps.step("call"),
        now=world.machine.now,
    )
    assert world.agent.reboot_acts is not None
    world.agent.reboot_acts = replace(world.agent.reboot_acts, lock=lock)
    return world


def reboot_and_return(world: Rebooting) -> None:
    world.reboot()
    if world.host.down:
        world.host.come_back()
    world.verify()


def go_on(world: Rebooting) -> None:
    """Have the next jobs run, until no call can be unsettled any more."""
    world.go_on(jobs=3, every=ACQUIRE_SETTLES)


def require_free(world: Rebooting, semaphores: Semaphores) -> None:
    assert semaphores.holders() == set()
    assert FleetLockRecord(world.agent.store).load().lock is None


def test_a_kill_at_any_step_neither_leaks_the_slot_nor_reboots_without_it(
    tmp_path: Path, server: LockServer, semaphores: Semaphores
) -> None:
    whole = begin(tmp_path / "whole", server)
    reboot_and_return(whole)
    require_free(whole, semaphores)
    held_at_reboot = []
    for number in range(len(whole.steps.done)):
        world = begin(tmp_path / str(number), server)
        world.host.before_reboot = lambda: held_at_reboot.append(semaphores.holders())
        world.steps.kill_at = number
        with pytest.raises(Killed):
            reboot_and_return(world)
        go_on(world)
        require_free(world, semaphores)
    assert len(held_at_reboot) > 5
    assert all(holders == {(GROUP, "this-host")} for holders in held_at_reboot)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_on_the_first_call_stops_the_reboot_and_leaks_nothing(
    tmp_path: Path, server: LockServer, semaphores: Semaphores, fault: str
) -> None:
    world = begin(tmp_path, server, replace(PATIENT, acquire=(SHORT if fault in SILENT else PATIENT).acquire))
    server.faults = [fault]
    world.reboot()
    server.deliver()
    go_on(world)

    assert (world.host.reboots, world.last.result) == (0, RebootResult.BLOCKED)
    require_free(world, semaphores)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_release_that_fails_after_the_boot_is_repeated_by_a_later_job(
    tmp_path: Path, server: LockServer, semaphores: Semaphores, fault: str
) -> None:
    world = begin(tmp_path, server, replace(PATIENT, release=(SHORT if fault in SILENT else PATIENT).release))
    world.reboot()
    world.host.come_back()
    server.faults = [fault] * 9
    world.verify()
    server.faults = []
    server.deliver()
    go_on(world)

    assert world.last.result is RebootResult.REBOOTED
    require_free(world, semaphores)


def test_a_slot_of_another_host_stops_it_and_stays_with_that_host(
    tmp_path: Path, server: LockServer, semaphores: Semaphores
) -> None:
    semaphores.held = {OTHER}
    world = begin(tmp_path, server)
    world.reboot()
    go_on(world)

    assert (world.host.reboots, world.last.result) == (0, RebootResult.BLOCKED)
    assert semaphores.holders() == {OTHER}


def test_a_machine_that_came_back_ill_keeps_the_slot_through_all_later_jobs(
    tmp_path: Path, server: LockServer, semaphores: Semaphores
) -> None:
    world = begin(tmp_path, server)
    world.reboot()
    world.host.come_back()
    world.host.failed = ("cron.service",)
    go_on(world)

    assert (world.last.result, world.last.lock) == (RebootResult.REBOOTED_WITH_PROBLEMS, LockUse.KEPT)
    assert semaphores.holders() == {(GROUP, "this-host")}
    lock = FleetLockRecord(world.agent.store).load().lock
    assert lock is not None
    assert lock.kept
    world.machine.time += timedelta(days=1)
    world.verify()
    assert semaphores.holders() == {(GROUP, "this-host")}

    world.host.before_reboot = world.host.inhibit
    world.reboot()
    assert (world.last.result, world.last.lock) == (RebootResult.BLOCKED, LockUse.KEPT)
    go_on(world)
    assert semaphores.holders() == {(GROUP, "this-host")}

    world.host.before_reboot, world.host.refuses, world.host.facts = lambda: None, "", GateFacts()
    world.reboot()
    world.host.come_back()
    world.host.failed = ()
    go_on(world)
    assert (world.last.result, world.last.lock) == (RebootResult.REBOOTED, LockUse.RELEASED)
    require_free(world, semaphores)
