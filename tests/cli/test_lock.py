"""`lock`: the fleet lock on record, and its text."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.core.fleet_lock.model import HeldLock, LockAnswer, LockCall, LockPhase, LockRecord, LockRefusal
from agent.report.fleet_lock_text import lock_lines, release_lines
from agent.report.layout import display_width, lay_out
from agent.state.documents.fleet_lock import lock_to_document
from agent.state.fleet_lock_record import FleetLockRecord
from agent.state.fleet_lock_view import FleetLockView
from agent.state.json_reader import JsonReader
from agent.state.store import Store

NOW = datetime(2026, 11, 29, 2, 10, tzinfo=timezone.utc)
HELD = HeldLock(
    phase=LockPhase.HELD,
    url="https://lock.example.org",
    group="web",
    id="0f5c1d1e8b1f4c0d9a596d5a0c2f1e77",
    since=NOW - timedelta(minutes=9),
    boot_id="0a5c6b1e-8b1f-4c0d-9a59-6d5a0c2f1e77",
    soft_reboots=0,
    run_id="20261129T020000Z",
    reason="required by linux-image-6.1.0-28-amd64",
)
KEPT = replace(HELD, kept="nginx.service has failed since the boot")
REFUSED = LockRefusal(
    call=LockCall.ACQUIRE,
    at=NOW - timedelta(minutes=1),
    since=NOW - timedelta(minutes=30),
    answer=LockAnswer(granted=False, why="fleet-lock", detail="all 1 semaphore slots currently locked"),
)
RECORDS = {
    "refused": LockRecord(refusal=REFUSED),
    "held": LockRecord(lock=HELD),
    "intent": LockRecord(lock=replace(HELD, phase=LockPhase.INTENT, run_id="", reason="")),
    "releasing": LockRecord(
        lock=replace(HELD, phase=LockPhase.RELEASING), refusal=replace(REFUSED, call=LockCall.RELEASE)
    ),
    "kept": LockRecord(lock=KEPT),
}


def view(record: LockRecord, **more: object) -> FleetLockView:
    return FleetLockView(JsonReader({**lock_to_document(record, NOW), **more}, "lock"))


def text(record: LockRecord) -> str:
    return "\n".join(lock_lines(view(record), NOW))


@pytest.mark.parametrize(("name", "code"), [("refused", 0), ("held", 0), ("intent", 0), ("releasing", 0), ("kept", 10)])
def test_the_exit_code_is_attention_only_if_a_person_has_to_release_it(
    tmp_path: Path, name: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    FleetLockRecord(Store(str(tmp_path))).save(RECORDS[name], NOW)

    assert main(["lock", "--state-dir", str(tmp_path)]) == code
    assert capsys.readouterr().out
    assert main(["lock", "status", "--json", "--state-dir", str(tmp_path)]) == code
    assert json.loads(capsys.readouterr().out)["schema"] == "maestro.fleet-lock/1"


def test_without_a_record_no_lock_is_held(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock", "--json", "--state-dir", str(tmp_path)]) == 0

    found = json.loads(capsys.readouterr().out)
    assert found["phase"] == "free"
    assert set(found) == set(lock_to_document(LockRecord(), NOW))


def test_a_damaged_record_is_unknown_and_stays(tmp_path: Path) -> None:
    (tmp_path / "fleet-lock.json").write_text("{")

    assert main(["lock", "--state-dir", str(tmp_path)]) == 3
    assert (tmp_path / "fleet-lock.json").exists()


@pytest.mark.parametrize("option", ["--wait", "--forget"])
def test_an_option_of_release_is_refused_for_status(tmp_path: Path, option: str) -> None:
    assert main(["lock", option, "--state-dir", str(tmp_path)]) == 2


@pytest.mark.parametrize("words", [["release"], ["release", "--forget"]], ids=" ".join)
def test_a_release_of_no_lock_is_done(tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock", *words, "--state-dir", str(tmp_path)]) == 0

    assert "No fleet lock was held" in capsys.readouterr().out


def test_a_lock_whose_server_is_gone_can_be_forgotten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = FleetLockRecord(Store(str(tmp_path)))
    record.save(RECORDS["kept"], NOW)

    assert main(["lock", "release", "--forget", "--json", "--state-dir", str(tmp_path)]) == 0

    assert json.loads(capsys.readouterr().out)["result"] == "forgotten"
    assert record.load() == LockRecord()


def test_a_kept_lock_is_shown_with_its_reason_and_the_command_that_releases_it() -> None:
    shown = text(RECORDS["kept"])

    assert "KEPT since" in shown
    assert "(9 minutes ago)" in shown
    assert KEPT.kept in shown
    assert "`maestro-agent lock release`" in shown
    assert "lock release" not in text(RECORDS["held"])


def test_a_lock_is_shown_with_its_server_group_and_run() -> None:
    shown = text(RECORDS["held"])

    assert "https://lock.example.org, group web, as 0f5c" in shown
    assert f"`maestro-agent history {HELD.run_id}`" in shown


def test_a_refusal_is_shown_with_how_long_it_lasts() -> None:
    assert "all 1 semaphore slots" in text(RECORDS["refused"])
    assert "did not succeed since" in text(RECORDS["refused"])
    assert "Its release" in text(RECORDS["releasing"])


@pytest.mark.parametrize("result", ["released", "not-held", "forgotten"])
def test_a_release_says_what_it_did(result: str) -> None:
    assert len(release_lines(view(LockRecord(), result=result, detail=None))) == 1


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_screen_fits_its_terminal(name: str, width: int) -> None:
    lines = lock_lines(view(RECORDS[name]), NOW)

    assert [line for line, _ in lay_out(lines, width) if display_width(line) > width and "`" not in line] == []


def test_a_lock_that_is_given_back_is_not_said_to_be_held() -> None:
    given_back = replace(
        HELD, phase=LockPhase.RELEASING, released_at=NOW, acquire_settles_at=NOW + timedelta(minutes=9)
    )

    assert "given back" in text(LockRecord(lock=given_back))
