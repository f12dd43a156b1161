"""A check: its exit code, and another program that is at work meanwhile."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.core.model.facts import UNMET_DEPENDENCIES, Lists, ListsState, Repair
from agent.core.model.scope import Scope
from agent.worker.jobs.check import exit_code_of
from tests.core import given
from tests.support.simulated import Offer
from tests.worker.jobs.simulator import Agent

STALE = Lists(state=ListsState.STALE, updated_at=given.NOW)
UNMET = Repair(package="r", architecture="amd64", state=UNMET_DEPENDENCIES)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"lists": STALE}, 3),
        ({"install": (given.step(),)}, 10),
        ({"held": (given.held(),), "lists": STALE}, 10),
        ({"repair": (UNMET,)}, 10),
        ({"journal": True}, 10),
    ],
)
def test_anything_pending_needs_attention_and_else_the_lists_decide(changes: dict[str, Any], code: int) -> None:
    assert exit_code_of(given.plan(**changes)) == code


def test_what_another_program_is_just_installing_is_not_broken(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.machine.journal = True

    def finish() -> None:
        agent.machine.journal = False

    agent.machine.while_waiting = finish

    assert not agent.check().journal


def test_what_nobody_finishes_is_broken(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.machine.journal = True

    assert agent.check().journal


@pytest.mark.parametrize("run", [Agent.check, Agent.upgrade])
def test_on_record_is_what_is_installed_without_a_person_whatever_was_asked_for(
    tmp_path: Path, run: Callable[[Agent, Scope], object]
) -> None:
    agent = Agent(tmp_path)
    agent.machine.offer("openssl", Offer(package="vim", security=False, needs=("gone",)))
    agent.check()
    before = agent.last_plan()

    run(agent, Scope.ALL)
    after = agent.last_plan()

    assert (before.text("scope"), after.text("scope")) == ("security", "security")
    assert [one.text("package") for one in after.children("held")] == []
