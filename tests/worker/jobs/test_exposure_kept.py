"""The exposure clock on a simulated machine: at each check and after each run."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from agent.core.exposure import FixStage
from agent.core.model.facts import Reboot
from agent.state.exposure_view import ExposureView, FixView
from agent.state.store import EXPOSURE, STATE
from agent.state.views import StateView
from agent.worker.jobs.explain import explain
from agent.worker.steps.exposure import record_services
from tests.support.simulated import Offer
from tests.worker.jobs.simulator import Agent

DAY = timedelta(days=1)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    """Return an agent on a machine with updates for a library that sshd runs."""
    made = Agent(tmp_path / "state")
    made.machine.offer("libssl3")
    made.machine.units = {"ssh.service": "libssl3"}
    return made


def kept(agent: Agent) -> list[tuple[str, str]]:
    """Return the version and the step of each fix."""
    document = agent.store.read(EXPOSURE, "maestro.exposure/1")
    return [(fix.version, fix.stage) for fix in map(FixView, document.children("fixes"))] if document else []


def summary(agent: Agent) -> ExposureView:
    document = agent.store.read(STATE, "maestro.state/1")
    found = StateView(document).exposure if document else None
    assert found is not None
    return found


def since(agent: Agent) -> datetime:
    """Return since when the oldest fix is not active."""
    return summary(agent).fixes[0].pending_since


def test_a_check_records_when_a_fix_was_first_pending(agent: Agent) -> None:
    agent.check()
    first = since(agent)
    agent.machine.time += 2 * DAY

    agent.check()

    assert (kept(agent), since(agent)) == ([("2", "pending")], first)


def test_an_upgrade_records_that_a_fix_is_installed_and_who_runs_the_old_files(agent: Agent) -> None:
    agent.check()
    first = since(agent)
    agent.machine.time += 9 * DAY

    agent.upgrade()

    assert kept(agent) == [("2", "installed")]
    [fix] = summary(agent).fixes
    assert (fix.waits_for, fix.units, fix.pending_since) == ("restart", ["ssh.service"], first)


def test_a_restart_of_the_service_makes_it_active_at_the_next_look(agent: Agent) -> None:
    agent.upgrade()
    agent.machine.stale_units.clear()

    record_services(agent.context)

    assert kept(agent) == [("2", "active")]
    assert (summary(agent).pending, summary(agent).installed) == (0, 0)


def test_stale_lists_do_not_reset_the_clock(agent: Agent) -> None:
    agent.check()
    agent.machine.lists.clear()
    agent.machine.time += 30 * DAY

    agent.check(refresh=False)

    assert kept(agent) == [("2", "pending")]


def test_a_newer_version_inherits_the_date(agent: Agent) -> None:
    agent.check()
    first = since(agent)
    agent.machine.time += DAY
    agent.machine.publish(Offer(package="libssl3", version=3))

    agent.check()

    [fix] = summary(agent).fixes
    assert (fix.version, fix.pending_since) == ("3", first)


def test_a_fix_that_requires_a_reboot_waits_for_it(agent: Agent) -> None:
    agent.machine.units = {}
    agent.check()
    agent.machine.required_reboot = Reboot(required=True, flagged=True, flag_packages=("libssl3",))
    agent.upgrade()
    waiting = summary(agent).fixes[0].waits_for
    agent.machine.required_reboot = Reboot(required=False)
    agent.machine.reboot_machine()

    agent.check()

    assert (waiting, kept(agent)) == ("reboot", [("2", "active")])


def test_a_damaged_record_is_begun_again(agent: Agent) -> None:
    agent.check()
    Path(agent.store.path(EXPOSURE)).write_text('{"schema": "maestro.exposure/1"}')

    agent.check()

    assert kept(agent) == [("2", "pending")]


def test_explain_looks_at_a_fix_now_and_records_nothing(agent: Agent) -> None:
    agent.upgrade()
    agent.machine.stale_units.clear()

    _, exposure = explain(agent.context, "libssl3")

    assert [(fix.version, fix.stage) for fix in exposure.fixes] == [("2", FixStage.ACTIVE)]
    assert kept(agent) == [("2", "installed")]


def test_a_reboot_is_required_since_the_first_package_that_asked_in_this_boot(agent: Agent) -> None:
    first, later = agent.machine.time - 2 * DAY, agent.machine.time - DAY
    found = []
    for since in (first, later):  # another package touched the flag
        agent.machine.required_reboot = Reboot(required=True, flagged=True, since=since)
        agent.check()
        found.append(agent.last_plan().child("reboot").time("since"))
    agent.machine.reboot_machine()
    agent.check()
    found.append(agent.last_plan().child("reboot").time("since"))

    assert found == [first, first, later]


def test_a_reboot_that_was_not_required_in_between_is_required_since_the_second_time(agent: Agent) -> None:
    first, later = agent.machine.time - 2 * DAY, agent.machine.time - DAY
    for reboot in (
        Reboot(required=True, since=first),
        Reboot(required=False),
        Reboot(required=True, since=later),
    ):
        agent.machine.required_reboot = reboot
        agent.check()

    assert agent.last_plan().child("reboot").time("since") == later


def test_what_is_recorded_after_a_boot_is_of_that_boot(agent: Agent) -> None:
    first = agent.machine.time - 2 * DAY
    agent.machine.required_reboot = Reboot(required=True, since=first)
    agent.upgrade()
    agent.machine.reboot_machine()
    agent.machine.required_reboot = Reboot(required=False)
    record_services(agent.context)
    later = agent.machine.time
    agent.machine.required_reboot = Reboot(required=True, since=later)

    agent.check()

    assert kept(agent) == [("2", "active")]
    assert agent.last_plan().child("reboot").time("since") == later.replace(microsecond=0)
