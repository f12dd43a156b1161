"""Standing the distribution's daily job down and putting it back, with systemd and apt as values.

tests/machines/test_unattended_upgrades.py has the real ones.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.unattended_upgrades.model import StandDown, TheirJob, UnitFacts
from agent.errors import HostError
from agent.host.unattended_upgrades import switch
from agent.host.unattended_upgrades.drop_in import OFF, on_text
from agent.host.unattended_upgrades.switch import LocalDailyJob
from agent.state.store import UNATTENDED_UPGRADES_BEFORE, Store
from tests.core import given
from tests.core.unattended_upgrades.test_patcher import ON

RUNS = UnitFacts(load="loaded", active="active", sub="waiting", enabled="enabled")
MASKED = UnitFacts(load="masked", active="inactive", sub="dead", enabled="masked")
BY_COMMAND, BY_MODE = StandDown.COMMAND, StandDown.MODE


class Machine:
    """A timer and a drop-in, as the job finds and leaves them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
        self.timer: UnitFacts | None = RUNS
        self.unmasked = "enabled"
        """What the timer is once nothing masks it."""
        self.drop_in: str | None = None
        self.own_unit = False
        """Whether the timer's unit file is its owner's, in /etc: systemd does not mask it."""
        self.job = LocalDailyJob(store)
        monkeypatch.setattr(switch, "look_at_daily_job", self._look)
        monkeypatch.setattr(switch, "read_drop_in", lambda: self.drop_in)
        monkeypatch.setattr(switch, "write_drop_in", self._write)
        monkeypatch.setattr(LocalDailyJob, "_call", self._call)

    def _look(self, **_programs: object) -> TheirJob:
        return replace(ON, timer=self.timer)

    def _write(self, text: str | None, _apt_config: object) -> None:
        self.drop_in = text

    def _call(self, verb: str, *_units: str) -> None:
        assert self.timer is not None
        if verb == "mask" and self.own_unit:
            raise HostError("File already exists")
        if verb == "reset-failed" and self.timer.active != "failed":
            raise HostError("Unit not loaded")  # once it is stopped, systemd forgets one that is not enabled
        if verb in {"enable", "disable"}:
            self.unmasked = f"{verb}d"
        changes = {
            "stop": {"active": "inactive"},
            "start": {"active": "active"},
            "mask": {"load": "masked", "enabled": "masked"},
            "unmask": {"load": "loaded", "enabled": self.unmasked},
            "disable": {"enabled": "disabled"},
            "enable": {"enabled": "enabled"},
        }
        self.timer = replace(self.timer, **changes.get(verb, {}))  # type: ignore[arg-type] # texts

    @property
    def is_off(self) -> bool:
        """Whether both switches are off."""
        return self.drop_in == OFF and (self.timer is None or self.timer.load == "masked")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, store: Store) -> Machine:
    return Machine(monkeypatch, store)


@pytest.mark.parametrize("timer", [RUNS, MASKED], ids=["runs", "masked-by-its-owner"])
@pytest.mark.parametrize("drop_in", [None, on_text(["Unattended-Upgrade"])], ids=["none", "enabled"])
def test_it_is_put_back_as_it_was(found: Machine, timer: UnitFacts, drop_in: str | None) -> None:
    found.timer, found.drop_in = timer, drop_in

    found.job.stand_down(BY_MODE, given.NOW)
    was_off = found.is_off
    found.job.put_back()

    assert was_off
    assert (found.timer.load, found.timer.active, found.drop_in) == (timer.load, timer.active, drop_in)
    assert found.job.stood_down() is None


@pytest.mark.parametrize("enabled", ["enabled", "disabled"])
def test_a_timer_of_its_owners_unit_file_is_disabled_and_put_back(found: Machine, enabled: str) -> None:
    found.own_unit, found.timer = True, replace(RUNS, enabled=enabled)

    found.job.stand_down(BY_MODE, given.NOW)
    stood_down = (found.timer.active, found.timer.enabled, found.drop_in)
    found.job.put_back()

    assert stood_down == ("inactive", "disabled", OFF)
    assert (found.timer, found.drop_in) == (replace(RUNS, enabled=enabled), None)


def test_a_timer_that_was_disabled_before_it_could_be_masked_is_put_back(found: Machine) -> None:
    found.own_unit = True
    found.job.stand_down(BY_MODE, given.NOW)

    found.own_unit = False  # as after `systemctl revert`
    found.job.stand_down(BY_MODE, given.NOW)
    was_off = found.is_off
    found.job.put_back()

    assert was_off
    assert (found.timer, found.drop_in) == (RUNS, None)


@pytest.mark.parametrize("by_its_owner", [False, True], ids=["by-the-agent", "by-its-owner"])
def test_of_a_machine_that_did_not_boot_the_agents_mask_is_removed(
    found: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, by_its_owner: bool
) -> None:
    mask = tmp_path / "apt-daily-upgrade.timer"
    mask.symlink_to("/dev/null")
    monkeypatch.setattr(switch, "_MASK", str(mask))
    found.timer = MASKED if by_its_owner else RUNS
    found.job.stand_down(BY_MODE, given.NOW)

    found.timer = None  # as in a chroot, where systemd is not there to be asked
    found.job.put_back()

    assert mask.is_symlink() is by_its_owner
    assert found.job.stood_down() is None


def test_in_a_machine_made_from_an_image_the_timer_is_put_back_too(found: Machine) -> None:
    found.timer = None
    found.job.stand_down(BY_COMMAND, given.NOW)
    found.timer = RUNS

    found.job.stand_down(BY_COMMAND, given.NOW)
    was_off = found.is_off
    found.job.put_back()

    assert was_off
    assert (found.timer.load, found.timer.active, found.drop_in) == ("loaded", "active", None)


@pytest.mark.parametrize("again", [False, True], ids=["at-once", "after-a-check"])
def test_what_is_stood_down_without_a_record_is_put_back_as_installed(
    found: Machine, store: Store, *, again: bool
) -> None:
    found.job.stand_down(BY_MODE, given.NOW)
    store.remove(UNATTENDED_UPGRADES_BEFORE)

    by = found.job.stood_down()
    if again:
        found.job.stand_down(BY_MODE, given.NOW)
    found.job.put_back()

    assert by is BY_COMMAND
    assert found.timer is not None
    assert (found.timer.load, found.timer.active, found.drop_in) == ("loaded", "active", None)


def test_a_command_keeps_down_what_a_mode_stood_down_before(found: Machine) -> None:
    found.job.stand_down(BY_MODE, given.NOW)
    found.job.stand_down(BY_COMMAND, given.NOW)
    by = found.job.stood_down()
    found.job.put_back()

    assert by is BY_COMMAND
    assert (found.timer, found.drop_in) == (RUNS, None)
