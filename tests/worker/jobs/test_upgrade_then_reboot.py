"""`upgrade --reboot-if-required`: a reboot follows a run without failures, and no other."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.job_kinds import JobKind, JobOption
from agent.core.model.outcome import Stage
from agent.worker.jobs import upgrade
from agent.worker.protocol import JobRequest
from tests.worker.jobs.simulator import Agent

WITH_REBOOT = frozenset({JobOption.REBOOT_IF_REQUIRED})


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    made = Agent(tmp_path)
    made.machine.offer("nginx", "curl")
    return made


def follow_up(agent: Agent, options: frozenset[JobOption] = WITH_REBOOT) -> JobRequest | None:
    context = agent.context
    request = JobRequest(
        kind=JobKind.UPGRADE,
        options=options,
        requested_by="ann",
        session="3",
        packages=("nginx",),
        in_window=True,
        state_dir=agent.store.directory,
    )
    run_id = context.record.new_run_id(agent.machine.now())
    return upgrade.run(request, replace(context, run_id=run_id)).follow_up


def hold(agent: Agent) -> None:
    agent.machine.on_hold.add("curl")


def fail(agent: Agent) -> None:
    agent.machine.fails["nginx"] = Stage.CONFIGURE


def be_busy(agent: Agent) -> None:
    agent.machine.holder = "apt-get, pid 7"


@pytest.mark.parametrize("change", [hold, lambda _agent: None], ids=["some-held", "updated"])
def test_a_run_without_failures_is_followed_by_a_reboot_if_that_is_required(
    agent: Agent, change: Callable[[Agent], None]
) -> None:
    change(agent)
    found = follow_up(agent)

    assert found is not None
    assert (found.kind, found.options) == (JobKind.REBOOT, frozenset({JobOption.IF_REQUIRED}))
    assert (found.requested_by, found.session, found.packages, found.plan_id) == ("ann", "3", (), None)
    assert found.in_window


@pytest.mark.parametrize("change", [fail, be_busy], ids=["failed", "busy"])
def test_a_run_that_failed_is_not_followed_by_one(agent: Agent, change: Callable[[Agent], None]) -> None:
    change(agent)

    assert follow_up(agent) is None


def test_a_run_is_not_followed_by_one_that_nobody_asked_for(agent: Agent) -> None:
    assert follow_up(agent, frozenset()) is None
