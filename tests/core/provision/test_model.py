"""How provisioning goes on after each run, reboot and crash."""

from dataclasses import replace
from datetime import timedelta

import pytest

from agent.core.model.facts import Lists, ListsState
from agent.core.model.outcome import ProvisionPhase, Result
from agent.core.provision.model import NextStep, Provision
from tests.core import given

NOW = given.NOW
BEGUN = Provision(
    machine="m", phase=ProvisionPhase.UPGRADING, started_at=NOW, entered_at=NOW, version="1", requested_by="ann"
)
REBOOTING = replace(BEGUN, phase=ProvisionPhase.REBOOTING, boot_id="one")
LATER = NOW + timedelta(minutes=5)


def lists(state: ListsState) -> Lists:
    return Lists(state=state, updated_at=NOW)


@pytest.mark.parametrize(
    ("result", "required", "before", "phase"),
    [
        (Result.UPDATED, False, BEGUN, ProvisionPhase.DONE),
        (Result.UP_TO_DATE, False, BEGUN, ProvisionPhase.DONE),
        (Result.DEGRADED, False, BEGUN, ProvisionPhase.DONE),
        (Result.UPDATED, True, BEGUN, ProvisionPhase.REBOOTING),
        (Result.UPDATED, True, replace(BEGUN, reboot=False), ProvisionPhase.DONE),
        (Result.UPDATED, True, replace(BEGUN, rebooted=True), ProvisionPhase.DONE),
        *[
            (result, True, BEGUN, ProvisionPhase.UPGRADING)
            for result in (Result.FAILED, Result.INTERRUPTED, Result.BUSY, Result.STALE, Result.DEFERRED)
        ],
    ],
    ids=lambda value: value.value if isinstance(value, (Result, ProvisionPhase)) else "",
)
def test_a_run_ends_the_phase_or_is_tried_again(
    result: Result, *, required: bool, before: Provision, phase: ProvisionPhase
) -> None:
    outcome = given.outcome(result=result, lists=lists(ListsState.FRESH))

    after = before.after(outcome, left=False, required=required, boot_id="one", now=LATER)

    assert after.phase is phase
    assert after.note.done_at == (LATER if phase is ProvisionPhase.DONE else None)
    assert after.boot_id == ("one" if phase is ProvisionPhase.REBOOTING else None)


@pytest.mark.parametrize(
    ("state", "left", "runs", "phase"),
    [
        (ListsState.NEVER, False, 100, ProvisionPhase.UPGRADING),
        (ListsState.STALE, False, 100, ProvisionPhase.UPGRADING),
        (ListsState.PARTIAL, False, 9, ProvisionPhase.UPGRADING),
        (ListsState.PARTIAL, False, 10, ProvisionPhase.REBOOTING),
        (ListsState.FRESH, True, 9, ProvisionPhase.UPGRADING),
        (ListsState.FRESH, True, 10, ProvisionPhase.REBOOTING),
        (ListsState.FRESH, False, 1, ProvisionPhase.REBOOTING),
    ],
    ids=lambda value: str(value.value if isinstance(value, (ListsState, ProvisionPhase)) else value),
)
def test_a_run_that_may_have_missed_something_is_tried_again(
    state: ListsState, *, left: bool, runs: int, phase: ProvisionPhase
) -> None:
    before = replace(BEGUN, runs=("run",) * runs)
    outcome = given.outcome(result=Result.DEGRADED, lists=lists(state))

    after = before.after(outcome, left=left, required=True, boot_id="one", now=LATER)

    assert after.phase is phase


@pytest.mark.parametrize(
    ("found", "boot", "rebooted"),
    [(REBOOTING, "two", True), (REBOOTING, "one", False), (REBOOTING, None, False), (BEGUN, "two", False)],
    ids=["another-boot", "same-boot", "boot-unknown", "power-cut-during-the-upgrade"],
)
def test_only_a_boot_after_the_restart_was_asked_for_counts_as_it(
    found: Provision, boot: str | None, *, rebooted: bool
) -> None:
    after = found.resumed(boot, LATER)

    assert after.rebooted is rebooted
    assert after.phase is (ProvisionPhase.UPGRADING if rebooted else found.phase)


@pytest.mark.parametrize(
    ("found", "required", "step"),
    [
        (BEGUN, True, NextStep.UPGRADE),
        (REBOOTING, True, NextStep.REBOOT),
        (REBOOTING, False, NextStep.UPGRADE),
        (replace(REBOOTING, reboot=False), True, NextStep.UPGRADE),
        (replace(BEGUN, phase=ProvisionPhase.DONE), True, NextStep.NOTHING),
    ],
    ids=["upgrading", "rebooting", "somebody-has-cleared-the-need", "no-reboot-any-more", "done"],
)
def test_a_job_goes_on_where_the_last_one_ended(found: Provision, *, required: bool, step: NextStep) -> None:
    assert found.next_step(required=required) is step
