"""A state directory written by an earlier version is read: the record, the history and both outboxes.

`tests/fixtures/state-8f639af` was written by the package of that commit on a booted machine: two upgrade runs, with an
endpoint and an OpenTelemetry collector configured that did not answer.
"""

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import main
from agent.report.outbox.file import open_outbox
from agent.report.outbox.transaction import OutboxLimits

WRITTEN = Path(__file__).resolve().parent.parent / "fixtures" / "state-8f639af"
HOST_ID = "2a2f962e-e726-400b-9e87-e9942e20e435"
WRITTEN_AT = datetime(2026, 11, 28, 21, 48, tzinfo=timezone.utc)
LIMITS = OutboxLimits(size=16_000_000, age=timedelta(days=30))
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


@pytest.mark.parametrize("place", ["outbox", "outbox/otlp"])
def test_an_outbox_keeps_its_stream_and_its_events(state: Path, place: str) -> None:
    with closing(sqlite3.connect(state / place / "outbox.sqlite")) as before:
        written = before.execute("SELECT sequence, key, created_at, body FROM events ORDER BY sequence").fetchall()
        facts = {name: json.loads(value) for name, value in before.execute("SELECT name, value FROM facts")}

    for _ in range(2):  # migrated once, and read as it is from then on
        with open_outbox(str(state / place), HOST_ID, LIMITS, WRITTEN_AT) as outbox:
            found, stream = outbox.next_events(100, 1_000_000), outbox.state

    assert [(one.sequence, one.key, one.created_at, one.body) for one in found] == written
    assert (stream.instance_id, stream.last_sequence) == (facts["instance_id"], len(written))
    assert stream.cursor == facts["mark"]
