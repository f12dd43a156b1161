"""When a server is provisioned without a command."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from agent.core.model.outcome import ProvisionPhase
from agent.core.provision.model import Provision
from agent.core.schedule.provision import NEW_FOR, NewServer, provision_at
from agent.core.schedule.slots import JobAttempts
from tests.core import given

NOW = given.NOW
HOUR = timedelta(hours=1)
BEGUN = Provision(
    machine="m", phase=ProvisionPhase.UPGRADING, started_at=NOW - HOUR, entered_at=NOW - HOUR, version="1"
)
DONE = replace(BEGUN, phase=ProvisionPhase.DONE)
REBOOTING = replace(BEGUN, phase=ProvisionPhase.REBOOTING, boot_id="one")


def due(
    recorded: Provision | None,
    *,
    first_boot: bool = True,
    age: timedelta | None = HOUR,
    attempts: JobAttempts | None = None,
    boot_id: str | None = "one",
    booted_at: datetime = NOW,
) -> datetime | None:
    first = NOW - age if age is not None else None
    server = NewServer(machine="m", first_booted_at=first, booted_at=booted_at, boot_id=boot_id)
    return provision_at(recorded, attempts, server, first_boot=first_boot, share=0.5, now=NOW)


@pytest.mark.parametrize(
    ("recorded", "first_boot", "age", "starts"),
    [
        (None, True, HOUR, True),
        (None, True, NEW_FOR, True),
        (None, True, NEW_FOR + timedelta(seconds=1), False),
        (None, True, -HOUR, True),
        (None, True, -NEW_FOR - HOUR, False),
        (None, True, None, False),
        (None, False, HOUR, False),
        (BEGUN, False, NEW_FOR * 9, True),
        (replace(BEGUN, started_at=NOW - NEW_FOR - HOUR), True, HOUR, False),
        (DONE, True, HOUR, False),
        (replace(DONE, machine="another"), True, HOUR, True),
        (replace(BEGUN, machine="another"), False, HOUR, False),
    ],
    ids=[
        *("new", "just-new", "not-new-any-more", "clock-was-ahead-at-first-boot"),
        *("clock-was-set-back", "age-unknown", "switched-off"),
        *("begun-by-a-person", "given-up", "done", "copy-of-a-provisioned-disk", "copy-of-one-under-way"),
    ],
)
def test_a_new_server_is_provisioned_once(
    recorded: Provision | None, *, first_boot: bool, age: timedelta | None, starts: bool
) -> None:
    at = due(recorded, first_boot=first_boot, age=age)

    assert (at is not None) is starts
    assert at is None or at <= NOW


def test_after_failures_it_is_tried_again_with_growing_pauses() -> None:
    pauses = [due(BEGUN, attempts=JobAttempts(last=NOW, failures=failures)) for failures in (1, 2, 3, 20)]

    assert pauses == sorted(pause for pause in pauses if pause is not None and pause > NOW)
    assert len(set(pauses)) == 4


def test_the_next_phase_starts_at_once_after_a_job_without_failures() -> None:
    at = due(BEGUN, attempts=JobAttempts(last=NOW, failures=0))

    assert at is not None
    assert at <= NOW


def test_a_restart_that_a_gate_keeps_from_happening_is_tried_with_growing_pauses() -> None:
    waits = (timedelta(0), HOUR, 2 * HOUR, 100 * HOUR)
    pauses = [
        due(replace(REBOOTING, entered_at=NOW - wait, started_at=NOW), attempts=JobAttempts(last=NOW)) for wait in waits
    ]

    assert pauses == sorted(pause for pause in pauses if pause is not None and pause > NOW)
    assert len(set(pauses)) == 4


def test_a_run_that_left_something_without_failing_is_tried_with_growing_pauses() -> None:
    left = replace(BEGUN, result="degraded", started_at=NOW)
    pauses = [due(replace(left, entered_at=NOW - wait), attempts=JobAttempts(last=NOW)) for wait in (0 * HOUR, HOUR)]

    assert pauses == sorted(pause for pause in pauses if pause is not None and pause > NOW)
    assert len(set(pauses)) == 2


@pytest.mark.parametrize(("boot_id", "starts"), [("two", True), ("one", False), (None, False)])
def test_a_clock_that_was_behind_at_first_does_not_end_it_before_the_look_after_the_restart(
    boot_id: str | None, *, starts: bool
) -> None:
    behind = NOW - timedelta(days=29)
    recorded = replace(REBOOTING, started_at=behind, entered_at=behind)

    at = due(recorded, attempts=JobAttempts(last=behind), boot_id=boot_id)

    assert (at is not None and at <= NOW) is starts
    assert due(recorded.resumed("two", NOW), attempts=JobAttempts(last=NOW, failures=1), boot_id="two") is None


@pytest.mark.parametrize(
    ("tried_for", "starts"),
    [(timedelta(days=6, hours=20), False), (timedelta(days=2), True), (timedelta(days=179), True), (None, True)],
    ids=["given-up", "off-since", "a-person-went-on", "unknown"],
)
def test_a_server_whose_restart_was_given_up_is_not_upgraded_when_it_restarts_later(
    tried_for: timedelta | None, *, starts: bool
) -> None:
    began = NOW - timedelta(days=180)
    recorded = replace(REBOOTING, started_at=began, entered_at=began)
    attempts = JobAttempts(last=began + tried_for) if tried_for is not None else None

    at = due(recorded, first_boot=False, attempts=attempts, boot_id="two")

    assert (at is not None and at <= NOW) is starts


@pytest.mark.parametrize("up_since", [timedelta(0), timedelta(minutes=40)])
@pytest.mark.parametrize("came_up_after", [timedelta(minutes=2), timedelta(minutes=20)])
def test_the_restart_of_the_last_try_is_no_restart_that_was_given_up(
    came_up_after: timedelta, up_since: timedelta
) -> None:
    booted_at = NOW - up_since
    asked = booted_at - came_up_after
    began = asked - NEW_FOR + timedelta(minutes=8)
    recorded = replace(REBOOTING, started_at=began, entered_at=began)

    at = due(recorded, first_boot=False, attempts=JobAttempts(last=asked), boot_id="two", booted_at=booted_at)

    assert at is not None
    assert at <= NOW


@pytest.mark.parametrize(("boot_id", "waits"), [("two", False), ("one", True), (None, True)])
def test_after_the_restart_provisioning_goes_on_at_once(boot_id: str | None, *, waits: bool) -> None:
    at = due(REBOOTING, attempts=JobAttempts(last=NOW), boot_id=boot_id)

    assert at is not None
    assert (at > NOW) is waits
