"""The recorded scan of services on a simulated machine: at each check and after each run."""

from pathlib import Path
from typing import Any

import pytest

from agent.core.model.outcome import Result
from agent.report.status.observed import CurrentBoot
from agent.report.status.runtime import Runtime
from agent.state.store import STATE
from agent.state.views import StateView
from tests.support.logged import captured_log
from tests.worker.jobs.simulator import Agent


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    """Return an agent on a machine with updates for a library that sshd runs."""
    made = Agent(tmp_path / "state")
    made.machine.offer("libssl3")
    made.machine.units = {"ssh.service": "libssl3", "cron.service": "libc6"}
    return made


def shown(agent: Agent) -> dict[str, Any]:
    """Return what `status` shows in the current boot."""
    state = agent.store.read(STATE, "maestro.state/1")
    boot = CurrentBoot(f"boot-{agent.machine.boot}", agent.machine.running)
    return Runtime(StateView(state) if state else None, boot).document


def services(agent: Agent) -> Any:
    return shown(agent)["services"] and shown(agent)["services"]["deleted_files"]


def test_a_check_records_that_nothing_runs_replaced_files(agent: Agent) -> None:
    agent.check()

    assert services(agent) == []


def test_an_upgrade_records_services_that_run_replaced_files(agent: Agent) -> None:
    done = agent.upgrade()

    assert done.result is Result.UPDATED
    assert services(agent) == ["ssh.service"]


def test_the_outcome_has_the_command_for_each_service_that_runs_replaced_files(agent: Agent) -> None:
    agent.upgrade()

    assert agent.last_run().raw["restart"] == [{"unit": "ssh.service", "command": "systemctl restart ssh"}]


def test_the_outcome_of_a_run_after_the_restart_has_no_service(agent: Agent) -> None:
    agent.upgrade()
    agent.machine.stale_units.clear()
    agent.upgrade()

    assert agent.last_run().raw["restart"] == []


def test_the_outcome_says_nothing_of_services_that_cannot_be_seen(agent: Agent) -> None:
    agent.machine.unseen_processes = "hidepid"
    agent.upgrade()

    assert "restart" not in agent.last_run().raw


def test_the_next_check_drops_a_restarted_service(agent: Agent) -> None:
    agent.upgrade()
    agent.machine.stale_units.clear()
    before = services(agent)

    agent.check()

    assert (before, services(agent)) == (["ssh.service"], [])


def test_the_next_check_detects_manually_replaced_files(agent: Agent) -> None:
    agent.machine.put("libc6", 2)

    agent.check(refresh=False)

    assert services(agent) == ["cron.service"]


def test_after_a_reboot_services_are_unknown_until_the_next_check(agent: Agent) -> None:
    agent.upgrade()
    agent.machine.reboot_machine()
    before = shown(agent)

    agent.check()

    assert before["services"] is None
    assert services(agent) == []


def test_unreadable_processes_are_unknown_and_fail_no_check(agent: Agent) -> None:
    agent.machine.unseen_processes = "/proc/1/exe: Permission denied"

    with captured_log() as entries:
        done = agent.upgrade()

    assert done.result is Result.UPDATED
    assert services(agent) is None
    assert {"/proc/1/exe: Permission denied"} == {
        entry.data["reason"] for entry in entries if entry.event == "services.unseen"
    }


def test_a_check_without_recording_scans_no_processes(agent: Agent) -> None:
    agent.check()
    agent.machine.put("libc6", 2)

    agent.check(remember=False)

    assert services(agent) == []
