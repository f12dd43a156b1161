"""The question before an upgrade. What people answer on a real terminal is in tests/machines/test_agreement.py."""

import io
import sys

import pytest

from agent.cli.agreement import confirmed
from agent.errors import ExitCode, StoppedError

PLAN, QUESTION = "1 security update to install", "Install 1 package?"


class Interrupted(io.StringIO):
    """An output that is interrupted right after it has shown a text, as by Ctrl-C if the process goes on slowly."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def flush(self) -> None:
        if self.getvalue().endswith(self._text):
            raise KeyboardInterrupt


@pytest.mark.parametrize("text", [f"{PLAN}\n", f"{QUESTION} [y/N] "], ids=["plan", "question"])
def test_ctrl_c_before_the_answer_is_awaited_stops_the_command(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Interrupted(text))

    with pytest.raises(StoppedError) as stopped:
        confirmed([PLAN], QUESTION)

    assert stopped.value.exit_code == ExitCode.STOPPED
