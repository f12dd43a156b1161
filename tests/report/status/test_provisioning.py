"""Provisioning in `status`: shown while it is under way and soon after, a need of a person once it was given up."""

from datetime import datetime, timedelta, timezone

import pytest

from agent.report.status.observed import Damaged
from agent.report.status.provisioning import Provisioning
from agent.state.json_reader import JsonReader
from agent.state.provision_view import ProvisionView

NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)


def view(phase: str, ago: timedelta) -> ProvisionView:
    at = f"{NOW - ago:%Y-%m-%dT%H:%M:%SZ}"
    fields = {"phase": phase, "started_at": at, "entered_at": at, "done_at": at if phase == "done" else None}
    return ProvisionView(JsonReader({**fields, "rebooted": True, "requested_by": "schedule"}, "provision.json"))


@pytest.mark.parametrize(
    ("phase", "days", "shown", "needs_a_person"),
    [
        ("upgrading", 0, True, False),
        ("rebooting", 7, True, False),
        ("rebooting", 8, True, True),
        ("upgrading", 8, True, True),
        ("done", 6, True, False),
        ("done", 8, False, False),
    ],
)
def test_it_is_shown_and_needs_a_person_only_once_it_was_given_up(
    phase: str, days: int, *, shown: bool, needs_a_person: bool
) -> None:
    found = Provisioning(view(phase, timedelta(days=days)), NOW)

    assert bool(list(found.lines(17))) is shown
    assert bool(found.reasons) is needs_a_person
    assert found.document is not None
    assert found.document["phase"] == phase


def test_a_server_that_is_not_to_be_provisioned_shows_nothing() -> None:
    found = Provisioning(None, NOW)

    assert (list(found.lines(17)), found.reasons, found.document) == ([], [], None)


def test_a_damaged_record_needs_a_person_as_the_daemon_does_not_begin() -> None:
    found = Provisioning(Damaged("provision.json: damaged"), NOW)

    assert len(found.reasons) == 1
    assert found.document is None
