"""Provisioning in `status`: shown while it is under way and soon after, a need of a person once it was given up."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.core.model.outcome import ProvisionPhase
from agent.core.provision.model import Provision
from agent.host.machine.identity import host_id
from agent.report.status.collect import collect_status
from agent.report.status.document import build_status
from agent.report.status.needs import needs
from agent.report.status.observed import Damaged, Observed, RebootDocuments
from agent.report.status.provisioning import Provisioning
from agent.state.documents.provision import provision_to_document
from agent.state.documents.reboot_outcome import reboot_outcome_to_document
from agent.state.json_reader import JsonReader
from agent.state.provision_record import save_provision
from agent.state.provision_view import ProvisionView
from agent.state.reboot_outcome_view import RebootOutcomeView
from agent.state.store import Store
from agent.state.views import RebootView
from tests.report.given_reboot_outcome import BLOCKED

NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)


def view(phase: ProvisionPhase, ago: timedelta, *, reboot: bool = True) -> ProvisionView:
    at = NOW - ago
    found = Provision(
        machine="m", phase=phase, started_at=at, entered_at=at, version="1", reboot=reboot, requested_by="schedule"
    )
    return ProvisionView(JsonReader(provision_to_document(found, NOW), "provision.json"))


@pytest.mark.parametrize(
    ("phase", "days", "shown", "needs_a_person"),
    [
        (ProvisionPhase.UPGRADING, 0, True, False),
        (ProvisionPhase.REBOOTING, 7, True, False),
        (ProvisionPhase.REBOOTING, 8, True, True),
        (ProvisionPhase.UPGRADING, 8, True, True),
        (ProvisionPhase.DONE, 6, True, False),
        (ProvisionPhase.DONE, 8, False, False),
    ],
)
def test_it_is_shown_and_needs_a_person_only_once_it_was_given_up(
    phase: ProvisionPhase, days: int, *, shown: bool, needs_a_person: bool
) -> None:
    found = Provisioning(view(phase, timedelta(days=days)), NOW)

    assert bool(list(found.lines(17))) is shown
    assert bool(found.reasons) is needs_a_person
    assert found.document is not None
    assert found.document["phase"] == phase.value


def test_a_server_that_is_not_to_be_provisioned_shows_nothing() -> None:
    found = Provisioning(None, NOW)

    assert (list(found.lines(17)), found.reasons, found.document) == ([], [], None)


def test_a_damaged_record_needs_a_person_as_the_daemon_does_not_begin() -> None:
    found = Provisioning(Damaged("provision.json: damaged"), NOW)

    assert len(found.reasons) == 1
    assert found.document is None


def test_a_restart_that_somebody_stopped_is_not_shown_as_one_that_comes() -> None:
    comes, left = (
        list(Provisioning(view(ProvisionPhase.REBOOTING, timedelta(0), reboot=reboot), NOW).lines(17))
        for reboot in (True, False)
    )

    assert len(comes) == len(left) == 1
    assert comes != left


@pytest.mark.parametrize("phase", list(ProvisionPhase), ids=lambda phase: phase.value)
def test_what_a_copied_disk_has_of_another_server_is_not_shown(tmp_path: Path, phase: ProvisionPhase) -> None:
    store, own = (
        Store(str(tmp_path)),
        Provision(machine=host_id(), phase=phase, started_at=NOW, entered_at=NOW, version="1"),
    )

    save_provision(store, own, NOW)
    shown = collect_status(store, str(tmp_path)).provision
    save_provision(store, replace(own, machine="another"), NOW)

    assert isinstance(shown, ProvisionView)
    assert collect_status(store, str(tmp_path)).provision is None


@pytest.mark.parametrize(
    ("phase", "reboot", "blocked_ago", "codes"),
    [
        (ProvisionPhase.REBOOTING, True, None, []),
        (ProvisionPhase.REBOOTING, True, timedelta(minutes=9), []),
        (ProvisionPhase.REBOOTING, True, timedelta(minutes=1), ["reboot"]),
        (ProvisionPhase.REBOOTING, False, None, ["reboot"]),
        (ProvisionPhase.DONE, True, None, ["reboot"]),
    ],
    ids=["due", "blocked-before", "blocked", "stopped", "done"],
)
def test_the_restart_of_provisioning_needs_nobody_until_a_gate_keeps_it_from_happening(
    phase: ProvisionPhase, blocked_ago: timedelta | None, codes: list[str], *, reboot: bool
) -> None:
    reboots = RebootDocuments()
    if blocked_ago is not None:
        blocked = replace(BLOCKED, started_at=NOW - blocked_ago)
        reboots.last = RebootOutcomeView(JsonReader(reboot_outcome_to_document(blocked, NOW), "reboot.json"))
    found = view(phase, timedelta(minutes=5), reboot=reboot)

    status = build_status(
        Observed(provision=found, reboots=reboots, reboot=RebootView(["libc6"], NOW, required=True)), NOW
    )

    assert [need.code for need in needs(status) if need.code != "unknown"] == codes


def test_a_required_restart_needs_a_person_once_provisioning_was_given_up() -> None:
    found = view(ProvisionPhase.REBOOTING, timedelta(days=8))

    status = build_status(Observed(provision=found, reboot=RebootView(["libc6"], NOW, required=True)), NOW)

    assert [need.code for need in needs(status) if need.code != "unknown"] == ["reboot", "provision"]
