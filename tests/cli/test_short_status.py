"""`status` and `status --json` are answered without argparse, and exactly as the whole command line answers them."""

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.model.outcome import Result
from agent.state.record import Record
from agent.state.store import Store
from tests.conftest import CHECKOUT
from tests.core import given
from tests.report.status.test_status import ended

PROGRAM = f"""
import sys
from datetime import datetime
sys.path.insert(0, {str(CHECKOUT)!r})
import agent.state.store, agent.state.timestamps
now = datetime.fromisoformat(sys.argv[2])
agent.state.store.DEFAULT_DIRECTORY, agent.state.timestamps.utc_now = sys.argv[1], lambda: now
from agent.cli.main import main
code = main(sys.argv[3:])
sys.exit(code + 100 * ("argparse" in sys.modules))
"""
"""Runs a command with another default directory and a clock that stands; its code is 100 more with argparse loaded."""
WORDS = (["status"], ["status", "--json"])


def run(directory: Path, *words: str) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-ISc", PROGRAM, str(directory), str(given.NOW + timedelta(hours=2)), *words]
    return subprocess.run(command, capture_output=True, check=False)


def never_checked(directory: Path) -> None:
    """Leave the directory empty."""


def checked(directory: Path) -> None:
    """Record a check that found something, and an upgrade that failed."""
    record = Record(Store(str(directory)))
    plan = given.plan(install=(given.step(),), held=(given.held(),), repair=(given.REPAIR,))
    record.save_plan(plan, given.NOW, fresh_until=given.NOW + timedelta(hours=36), scan=given.WATCHED)
    record.save_outcome(ended(Result.FAILED), given.NOW)


def damaged(directory: Path) -> None:
    """Leave a document that is no document and cannot be set aside, so that both ways find the same."""
    directory.joinpath("state.json").write_text('{"schema": "maestro.state/1"')
    directory.joinpath("state.json.unreadable").mkdir()


@pytest.mark.parametrize("make", [never_checked, checked, damaged])
@pytest.mark.parametrize("words", WORDS)
def test_both_ways_print_the_same(tmp_path: Path, make: Callable[[Path], None], words: list[str]) -> None:
    make(tmp_path)

    short, whole = run(tmp_path, *words), run(tmp_path, *words, "--state-dir", str(tmp_path))

    assert short.stdout
    assert (short.stdout, short.stderr) == (whole.stdout, whole.stderr)
    assert short.returncode + 100 == whole.returncode


@pytest.mark.parametrize(
    "words", [["status", "--verbose"], ["status", "--json", "--json"], ["--json", "status"], ["status", "--jsno"]]
)
def test_all_other_words_are_parsed(tmp_path: Path, words: list[str]) -> None:
    assert run(tmp_path, *words).returncode >= 100
