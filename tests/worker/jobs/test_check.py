"""The exit code of a check."""

from typing import Any

import pytest

from agent.core.model.facts import UNMET_DEPENDENCIES, Lists, ListsState, Repair
from agent.worker.jobs.check import exit_code_of
from tests.core import given

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
