"""The restart that provisioning asks for: left once somebody has stopped it, tried again while a gate is closed."""

from dataclasses import replace
from pathlib import Path

from agent.core.job_kinds import JobOption
from agent.core.model.outcome import ProvisionPhase
from agent.core.provision.model import NextStep, Provision
from agent.state.provision_record import load_provision, save_provision
from tests.core import given
from tests.support.simulated_reboot import REFUSED
from tests.worker.jobs.reboots import Rebooting, result

REBOOTING = Provision(
    machine="m", phase=ProvisionPhase.REBOOTING, started_at=given.NOW, entered_at=given.NOW, version="1", boot_id="one"
)


def provisioned(directory: Path) -> Rebooting:
    """Return a new server whose packages are as they are to be, and that needs a restart."""
    made = Rebooting(directory)
    save_provision(made.agent.store, REBOOTING, given.NOW)
    return made


def test_a_restart_that_somebody_stopped_is_left_to_them(tmp_path: Path) -> None:
    world = provisioned(tmp_path)
    world.agent.stop = lambda: "on request"

    answer = world.reboot(JobOption.IF_REQUIRED, by="provision")

    found = load_provision(world.agent.store)
    assert result(answer) == "interrupted"
    assert found == replace(REBOOTING, reboot=False)
    assert found.next_step(required=True) is NextStep.UPGRADE


def test_a_restart_that_a_gate_keeps_from_happening_is_tried_again(tmp_path: Path) -> None:
    world = provisioned(tmp_path)
    world.lock.refusals = [REFUSED]

    answer = world.reboot(JobOption.IF_REQUIRED, by="provision")

    assert result(answer) == "blocked"
    assert load_provision(world.agent.store) == REBOOTING
