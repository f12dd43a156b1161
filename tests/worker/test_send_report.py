"""A report that a job sends goes where the daemon's reports go, whatever is written in the files since."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.config import fragments
from agent.config.accepted import accept
from agent.host.machine.os_release import read_distro
from agent.host.process.run import ProgramResult, run_program
from agent.state.store import Store
from agent.worker import send_report as sending
from tests.conftest import CHECKOUT


@pytest.mark.parametrize("edited", ["[metrics]\ntextfile = '{}/edited.prom'\n", "[metrics]\ntextfil = 'a'\n", ""])
def test_the_accepted_configuration_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edited: str) -> None:
    file, state = tmp_path / "config.toml", tmp_path / "state"
    file.write_text(f"[metrics]\ntextfile = '{tmp_path}/accepted.prom'\n")
    with monkeypatch.context() as of_machine:
        of_machine.setattr(fragments, "DEFAULT_PATH", file)
        accept(str(state), read_distro(), "2026-11-29T00:00:00Z", os.getgid())
    file.write_text(edited.format(tmp_path))

    def run(command: Sequence[str], limit_s: float, **_options: object) -> ProgramResult:
        """Run the checkout in place of the installed program, with that file in place of the machine's."""
        start = ["env", f"PYTHONPATH={CHECKOUT}", "/usr/bin/python3", "-m", "agent", "--config", str(file)]
        return run_program([*start, *command[1:], "--run-dir", str(tmp_path)], limit_s=limit_s)

    monkeypatch.setattr(sending, "run_program", run)
    done = sending.send_report(Store(str(state)), limit_s=60.0, alive=lambda: None)

    assert (done.code, [found.name for found in tmp_path.glob("*.prom")]) == (0, ["accepted.prom"]), done.output
