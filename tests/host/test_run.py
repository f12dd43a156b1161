"""Programs end at their deadline, with all that they have started."""

import time
from pathlib import Path

import pytest

from agent.host.process import run
from agent.host.process.run import run_program
from tests.host.beats import passing_at


def test_output_and_exit_code_of_a_program() -> None:
    done = run_program(("sh", "-c", 'echo "$GIVEN"; echo error >&2; exit 3'), limit_s=10, environment={"GIVEN": "word"})

    assert (done.code, done.output) == (3, "word\nerror")


def test_a_program_that_cannot_start_is_no_exception() -> None:
    done = run_program(("/no/such/program",), limit_s=10)

    assert done.code is None
    assert "/no/such/program" in done.output


def test_at_its_deadline_a_program_is_killed_with_its_children_that_hold_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script's `docker run` outlives the script: reading its output would wait for it."""
    child = tmp_path / "child"
    monkeypatch.setattr(run, "time", passing_at(lambda: child.exists() and child.read_text() != ""))
    monkeypatch.setattr(run, "_ALIVE_S", 0.05)

    done = run_program(("sh", "-c", f"sleep 300 & echo $! > {child}; wait"), limit_s=60)

    assert done.code is None
    assert _ends(int(child.read_text()), within_s=60)


def _ends(pid: int, within_s: float) -> bool:
    """Return whether a process ends; one that was killed dies when it is next given a processor."""
    stat, deadline = Path(f"/proc/{pid}/stat"), time.monotonic() + within_s
    while stat.exists() and ") Z " not in stat.read_text():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
