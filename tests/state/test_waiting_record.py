"""The record of what waits for a time: both documents come back as they were, and damage is never silent."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.packages.first_seen import Counted, Sighting
from agent.errors import BusyError, RecordError
from agent.state.file_lock import exclusive
from agent.state.store import FIRST_SEEN, SNOOZES, Store
from agent.state.waiting_record import WaitingRecord
from tests.conftest import CHECKOUT
from tests.core import given

SEEN = Sighting(package="a", architecture="amd64", version="2", security=True, first_seen_at=given.NOW)
COUNTED = Sighting(
    package="a",
    architecture="amd64",
    version="3",
    security=False,
    first_seen_at=given.NOW,
    counted=Counted(waited=timedelta(hours=7), at=given.NOW - timedelta(days=1)),
    gone_at=given.NOW,
)
_HOLD = """
import sys, time
from agent.state.file_lock import exclusive
with exclusive(sys.argv[1], busy=""):
    print("held", flush=True)
    time.sleep(60)
"""


def test_what_is_recorded_is_read_again(tmp_path: Path) -> None:
    record = WaitingRecord(Store(str(tmp_path)))
    snoozes = (given.snooze("a"), given.snooze("CVE-2026-0001", ended_at=given.NOW))

    record.save_first_seen((SEEN, COUNTED), given.NOW)
    record.update_snoozes(lambda before: (*before, *snoozes), given.NOW)

    assert record.load_first_seen() == (SEEN, COUNTED)
    assert record.load_snoozes() == snoozes


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": "maestro.first-seen/1"}', '{"schema": "x/1"}'])
def test_damaged_sightings_are_none_and_a_warning(tmp_path: Path, text: str) -> None:
    warnings: list[str] = []
    store = Store(str(tmp_path), warnings.append)
    Path(store.path(FIRST_SEEN)).write_text(text)

    assert WaitingRecord(store).load_first_seen() == ()
    assert len(warnings) == 1


@pytest.mark.parametrize("waited_s", [-1, 10**14])
def test_a_time_out_of_range_is_damage(tmp_path: Path, waited_s: int) -> None:
    store = Store(str(tmp_path))
    WaitingRecord(store).save_first_seen((COUNTED,), given.NOW)
    path = Path(store.path(FIRST_SEEN))
    path.write_text(path.read_text().replace(str(7 * 3600), str(waited_s)))

    assert WaitingRecord(store).load_first_seen() == ()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": "maestro.snoozes/1"}', '{"schema": "x/1"}'])
def test_damaged_snoozes_are_an_error_and_stay(tmp_path: Path, text: str) -> None:
    store = Store(str(tmp_path))
    Path(store.path(SNOOZES)).write_text(text)

    with pytest.raises(RecordError):
        WaitingRecord(store).load_snoozes()
    assert Path(store.path(SNOOZES)).read_text() == text


def test_two_processes_do_not_change_the_snoozes_at_once(tmp_path: Path) -> None:
    record, path = WaitingRecord(Store(str(tmp_path))), tmp_path / "snoozes.lock"
    command = [sys.executable, "-c", _HOLD, str(path)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            with pytest.raises(BusyError, match=str(other.pid)):
                record.update_snoozes(lambda before: (*before, given.snooze("a")), given.NOW)
        finally:
            other.kill()
    assert record.load_snoozes() == ()


def test_an_unchanged_list_is_not_written(tmp_path: Path) -> None:
    record = WaitingRecord(Store(str(tmp_path)))

    record.update_snoozes(lambda before: before, given.NOW)

    assert not (tmp_path / "snoozes.json").exists()
    with exclusive(str(tmp_path / "snoozes.lock"), busy=""):
        pass
