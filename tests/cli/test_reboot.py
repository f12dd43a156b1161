"""`reboot`: what is scheduled and cancelled, and which options go together. Root's own commands; nothing reboots."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.cli.reboot import DESPITE
from agent.core.job_kinds import JobOption
from agent.core.reboot.gates import PASSABLE, RebootGate
from agent.state.reboot_record import RebootRecord
from agent.state.store import Store
from tests.state.test_reboot_schemas import faults

AT = "2026-12-05T02:00:00Z"


@pytest.fixture
def record(tmp_path: Path) -> RebootRecord:
    return RebootRecord(Store(str(tmp_path)))


def reboot(directory: Path, *words: str) -> int:
    return main(["reboot", *words, "--state-dir", str(directory)])


def test_a_time_is_recorded_with_what_was_asked_for(tmp_path: Path, record: RebootRecord) -> None:
    words = [
        "--at",
        "+2h",
        "--if-required",
        "--despite",
        "sessions",
        "--despite",
        "fleet-lock",
        "--comment",
        " new\nkernel",
    ]
    before = datetime.now(timezone.utc)

    assert reboot(tmp_path, *words) == 0

    made = record.load_schedule()
    assert made is not None
    assert abs(made.at - before - timedelta(hours=2)) < timedelta(minutes=1)
    assert made.until - made.at == timedelta(hours=2)
    assert made.comment == "new kernel"
    assert made.requested_by == "root"
    assert made.options == {JobOption.IF_REQUIRED, JobOption.DESPITE_SESSIONS, JobOption.DESPITE_LOCK}


def test_a_later_time_replaces_the_earlier_one(tmp_path: Path, record: RebootRecord) -> None:
    assert reboot(tmp_path, "--at", "+2h") == 0
    assert reboot(tmp_path, "--at", "+3d") == 0

    made = record.load_schedule()
    assert made is not None
    assert made.at - made.created_at == timedelta(days=3)


def test_the_schedule_is_shown_back_in_local_time_with_its_offset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC-1")
    day = f"{datetime.now(timezone.utc) + timedelta(days=30):%Y-%m-%d}"

    assert reboot(tmp_path, "--at", f"{day}T02:00:00Z") == 0

    assert f"{day} 03:00 +01:00" in capsys.readouterr().out


def test_the_printed_schedule_has_the_shape_of_its_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--at", "+2h"], ["--cancel"], ["--cancel"]):
        assert reboot(tmp_path, *words, "--json") == 0
        assert faults("reboot-schedule", json.loads(capsys.readouterr().out)) == []


def test_cancel_ends_what_is_scheduled_and_is_no_error_without(
    tmp_path: Path, record: RebootRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reboot(tmp_path, "--at", "+2h") == 0
    capsys.readouterr()

    assert reboot(tmp_path, "--cancel") == 0
    assert "cancelled" in capsys.readouterr().out
    assert record.load_schedule() is None

    assert reboot(tmp_path, "--cancel") == 0
    assert "No reboot is scheduled" in capsys.readouterr().out


def test_cancel_removes_a_damaged_schedule(tmp_path: Path) -> None:
    (tmp_path / "reboot-schedule.json").write_text("{")

    assert reboot(tmp_path, "--cancel") == 0

    assert not (tmp_path / "reboot-schedule.json").exists()


@pytest.mark.parametrize(
    "words",
    [
        "--at soon",
        "--at 2001-01-01T00:00:00Z",
        f"--at {AT} --cancel",
        f"--at {AT} --dry-run",
        "--cancel --if-required",
        "--cancel --despite sessions",
        "--cancel --wait",
        "--despite inhibited",
        "--despite policy",
        "--comment kernel",
    ],
    ids=lambda words: words.replace(" ", "_"),
)
def test_what_does_not_go_together_is_a_usage_error(tmp_path: Path, words: str) -> None:
    assert reboot(tmp_path, *words.split()) == 2

    assert list(tmp_path.iterdir()) == []


def test_exactly_the_gates_that_a_request_may_pass_are_options() -> None:
    assert {RebootGate(name) for name in DESPITE} == PASSABLE
