"""Whether the machine patches itself: what `status` says of a daemon that is off, and of one that only checks."""

from datetime import timedelta
from typing import Any

import pytest

from agent.host.unit_file import UnitState
from agent.report.status.automatic import AUTOMATIC_STATES, Automatic
from agent.report.status.document import build_status, status_document
from agent.report.status.health import Health
from agent.report.status.observed import DaemonView, Damaged, Observed
from agent.state.documents.plan import plan_to_document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc
from agent.state.views import StateView
from tests.core import given

NOW = given.NOW
SOON = NOW + timedelta(hours=2)


def daemon(*, upgrades: bool | None = None, **jobs: Any) -> DaemonView:
    """Return a daemon that is alive, with the times of its next jobs; `upgrades` is None for one that is older."""
    found = {
        "version": "1",
        "started_at": format_utc(NOW),
        "seen_at": format_utc(NOW),
        "doing": "",
        "problems": [],
        "next": {name: format_utc(at) for name, at in jobs.items()},
        **({"upgrades": upgrades} if upgrades is not None else {}),
    }
    return DaemonView(812, JsonReader(found, "daemon.json"))


BOTH, CHECKS = daemon(check=SOON, upgrade=NOW), daemon(check=SOON)
DEAD = DaemonView(None, None)


@pytest.mark.parametrize(
    ("alive", "unit", "state", "at_boot", "health"),
    [
        (BOTH, UnitState.ENABLED, "on", True, Health.HEALTHY),
        (BOTH, UnitState.DISABLED, "on", False, Health.ATTENTION),
        (BOTH, UnitState.MASKED, "on", False, Health.ATTENTION),
        (BOTH, UnitState.ABSENT, "on", None, Health.HEALTHY),
        (BOTH, None, "on", None, Health.HEALTHY),  # another init
        (CHECKS, UnitState.ENABLED, "checks-only", True, Health.HEALTHY),
        (CHECKS, UnitState.DISABLED, "checks-only", False, Health.ATTENTION),
        (DEAD, UnitState.ENABLED, "stopped", True, Health.UNKNOWN),
        (None, UnitState.DISABLED, "disabled", False, Health.ATTENTION),
        (None, UnitState.MASKED, "masked", False, Health.ATTENTION),
        (None, UnitState.ABSENT, None, None, Health.HEALTHY),
        (None, None, None, None, Health.HEALTHY),
    ],
)
def test_the_state_and_its_health(
    alive: DaemonView | None, unit: UnitState | None, state: str | None, at_boot: object, health: Health
) -> None:
    record = {
        "generated_at": format_utc(NOW),
        "fresh_until": format_utc(NOW + timedelta(hours=36)),
        "plan": plan_to_document(given.plan(), NOW),
    }
    status = build_status(Observed(state=StateView(JsonReader(record, "state")), daemon=alive, unit=unit), NOW)

    expected = {"state": state, "starts_at_boot": at_boot} if state else None
    assert status_document(status)["automatic"] == expected
    assert status.health is health
    assert state is None or state in AUTOMATIC_STATES


@pytest.mark.parametrize(
    ("alive", "unit", "text"),
    [
        (BOTH, UnitState.ENABLED, "on: next check 2026-11-23 07:10 UTC, next upgrade is due now"),
        (BOTH, UnitState.DISABLED, "on until the next boot: next check 2026-11-23 07:10 UTC, next upgrade is due now"),
        (CHECKS, UnitState.ENABLED, "only checks (agent.upgrade = false): next check 2026-11-23 07:10 UTC"),
        (DEAD, UnitState.ENABLED, "off (maestro-agent.service is not running)"),
        (None, UnitState.DISABLED, "off (maestro-agent.service is disabled)"),
        (None, UnitState.MASKED, "off (maestro-agent.service is masked)"),
        (None, None, "off (no daemon is running)"),
        (Damaged("daemon.json: is damaged"), UnitState.ENABLED, "unknown"),
    ],
)
def test_the_state_in_words(alive: DaemonView | Damaged | None, unit: UnitState | None, text: str) -> None:
    assert Automatic(alive, unit).text(NOW) == text


def test_a_masked_worker_is_off_whatever_the_daemon_plans() -> None:
    found = Automatic(BOTH, UnitState.ENABLED, "maestro-agent-worker.socket")

    assert found.document == {"state": "masked", "starts_at_boot": True}
    assert found.text(NOW) == "off (maestro-agent-worker.socket is masked)"
    assert [reason.count("maestro-agent-worker.socket") for reason in found.reasons] == [2]


@pytest.mark.parametrize(
    ("alive", "patcher", "state", "names_an_upgrade"),
    [
        (CHECKS, "agent", "on", False),  # the other job was just switched off; the daemon schedules its upgrade next
        (daemon(check=SOON, upgrades=True), "agent", "on", False),
        (daemon(check=SOON, upgrades=False), "agent", "checks-only", False),  # reloaded after the last check
        (BOTH, "unattended-upgrades", "stands-aside", False),  # it was just switched on
        (CHECKS, "nobody", "checks-only", False),
        (BOTH, None, "on", True),
    ],
    ids=["just-off", "just-off-now", "reloaded", "just-on", "nobody", "no-record"],
)
def test_who_patches_is_taken_from_the_record_before_the_daemon_follows(
    alive: DaemonView, patcher: str | None, state: str, *, names_an_upgrade: bool
) -> None:
    automatic = Automatic(alive, UnitState.ENABLED, patcher=patcher)

    assert automatic.state == state
    assert ("next upgrade" in automatic.text(NOW)) is names_an_upgrade
    assert ("agent.upgrade" in automatic.text(NOW)) is (state == "checks-only")
