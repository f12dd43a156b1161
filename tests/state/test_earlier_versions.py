"""A state directory written by an earlier version is read: the record, the history and both outboxes.

`tests/fixtures/state-8f639af` was written by the package of that commit on a booted machine: two upgrade runs, with an
endpoint and an OpenTelemetry collector configured that did not answer.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import main

WRITTEN = Path(__file__).resolve().parent.parent / "fixtures" / "state-8f639af"
RUNS = ["20261128T214726Z", "20261128T214724Z"]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return a copy of the state directory."""
    return Path(shutil.copytree(WRITTEN, tmp_path / "state"))


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Any, str]:
    """Run a command; return its JSON document and what it wrote on standard error."""
    main(arguments)
    out, err = capsys.readouterr()
    return json.loads(out), err


def test_status_shows_the_recorded_plan_and_the_last_run(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = json.loads((WRITTEN / "state.json").read_text())

    document, err = printed(capsys, "status", "--json", "--state-dir", str(state))

    assert (document["plan"], document["last_run"]["id"]) == (written["plan"], RUNS[0])
    assert document["jobs"]["upgrade"]["last_exit_code"] == 10
    assert err == ""


def test_history_lists_every_run(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = [json.loads((WRITTEN / f"history/{run}.json").read_text()) for run in RUNS]

    document, err = printed(capsys, "history", "--json", "--state-dir", str(state))

    assert document["runs"] == written
    assert err == ""


def test_the_report_names_the_last_outcome(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document, _ = printed(capsys, "report", "--show", "--state-dir", str(state))

    assert document["last_outcome"]["id"] == RUNS[0]
    assert document["updates"]["held"] == 1
