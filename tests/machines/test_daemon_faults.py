"""The daemon under faults, a few cases of each kind; `make daemon-faults` runs dozens."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machines.conftest import Layers
from tests.support.booted import booted
from tests.support.daemon_faults import Trial
from tests.support.recorded import UNIT, Kept
from tests.support.repository import Signer

pytestmark = pytest.mark.xdist_group("booted-2")
SEED = 4


@pytest.fixture(scope="module")
def trial(booted_codename: str, installed: Layers, deb: Path, signer: Signer) -> Iterator[Trial]:
    """Return a machine for all cases."""
    with booted(*installed) as running:
        made = Trial(Kept(running, signer, booted_codename), deb, SEED)
        made.prepare()
        yield made


@pytest.mark.parametrize("scheduled", [True, False], ids=["by the schedule", "by a person"])
def test_the_agent_upgrades_itself_in_a_run_that_continues(trial: Trial, scheduled: bool) -> None:  # noqa: FBT001
    verdict = trial.upgrade_itself(scheduled=scheduled)

    assert verdict.problems == [], verdict.what


@pytest.mark.parametrize("number", range(5))
def test_a_killed_daemon_loses_no_job_and_repeats_none(trial: Trial, number: int) -> None:
    verdict = trial.kill_the_daemon(number)

    assert verdict.problems == [], verdict.what


def test_a_killed_job_is_interrupted_and_the_next_one_repairs_everything(trial: Trial) -> None:
    verdict = trial.kill_the_worker(0)

    assert verdict.problems == [], verdict.what


def test_a_frozen_daemon_is_restarted_by_its_watchdog(trial: Trial) -> None:
    # The unit's own minute is waited for by `make daemon-faults`.
    trial.host.machine.write(f"/etc/systemd/system/{UNIT}.service.d/watchdog.conf", "[Service]\nWatchdogSec=5s\n")
    trial.host.machine.check(f"systemctl daemon-reload; systemctl restart {UNIT}")

    verdict = trial.freeze_the_daemon()

    assert verdict.problems == []


def test_no_job_or_event_follows(trial: Trial) -> None:
    verdict = trial.settle()

    assert verdict.problems == []
