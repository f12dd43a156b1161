"""What is remembered of what runs, told as stories on a machine in memory: seen at each check and after each run."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.core.model.outcome import Result
from agent.core.model.plan import Scope
from agent.report.status.observed import CurrentBoot
from agent.report.status.runtime import Runtime
from agent.state.store import STATE
from agent.state.views import StateView
from tests.support.simulated import Offer
from tests.worker.jobs.simulator import Agent

OLD, NEW = "linux-image-6.1.0-3-amd64", "linux-image-6.1.0-4-amd64"


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    """Return an agent on a machine where a library that sshd runs, and a kernel, can be upgraded."""
    made = Agent(tmp_path / "state")
    made.machine.offer("libssl3")
    made.machine.units = {"ssh.service": "libssl3", "cron.service": "libc6"}
    made.machine.put(OLD, 1)
    made.machine.running = "6.1.0-3-amd64"
    return made


def told(agent: Agent) -> dict[str, Any]:
    """Return what `status` would say in the present boot."""
    state = agent.store.read(STATE, "maestro.state/1")
    boot = CurrentBoot(f"boot-{agent.machine.boot}", agent.machine.running)
    return Runtime(StateView(state) if state else None, boot).document


def services(agent: Agent) -> Any:
    return told(agent)["services"] and told(agent)["services"]["deleted_files"]


def test_a_check_sees_that_nothing_runs_replaced_files(agent: Agent) -> None:
    agent.check()

    assert services(agent) == []
    assert told(agent)["kernel"] == {"running": "6.1.0-3-amd64", "newest": "6.1.0-3-amd64", "outdated": False}


def test_what_an_upgrade_replaced_under_a_service_is_known_when_it_ends(agent: Agent) -> None:
    done = agent.upgrade()

    assert done.result is Result.UPDATED
    assert services(agent) == ["ssh.service"]


def test_a_kernel_that_an_upgrade_brought_is_known_when_it_ends(agent: Agent) -> None:
    agent.machine.offer(Offer(package="linux-image-amd64", needs=(NEW,)))
    agent.machine.publish(Offer(package=NEW))

    agent.upgrade(Scope.ALL)

    assert told(agent)["kernel"] == {"running": "6.1.0-3-amd64", "newest": "6.1.0-4-amd64", "outdated": True}


def test_a_service_that_was_restarted_is_gone_from_the_list_with_the_next_check(agent: Agent) -> None:
    agent.upgrade()
    agent.machine.stale_units.clear()
    before = services(agent)

    agent.check()

    assert (before, services(agent)) == (["ssh.service"], [])


def test_what_a_person_replaced_by_hand_is_seen_by_the_next_check(agent: Agent) -> None:
    agent.machine.put("libc6", 2)

    agent.check(refresh=False)

    assert services(agent) == ["cron.service"]


def test_after_a_reboot_it_is_unknown_until_the_next_check(agent: Agent) -> None:
    agent.upgrade()
    agent.machine.boot_anew()
    before = told(agent)

    agent.check()

    assert before["services"] is before["kernel"]["newest"] is before["kernel"]["outdated"] is None
    assert services(agent) == []


def test_processes_that_cannot_be_seen_are_unknown_and_fail_nothing(agent: Agent) -> None:
    agent.machine.unseen_processes = "/proc/1/exe: Permission denied"

    with capture_logs() as events:
        done = agent.upgrade()

    assert done.result is Result.UPDATED
    assert services(agent) is None
    assert {"/proc/1/exe: Permission denied"} == {
        event["reason"] for event in events if event["event"] == "services.unseen"
    }


def test_a_check_that_remembers_nothing_looks_at_no_processes(agent: Agent) -> None:
    agent.check()
    agent.machine.put("libc6", 2)

    agent.check(remember=False)

    assert services(agent) == []
