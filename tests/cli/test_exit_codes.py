"""The exit codes are those that the manual page and `--help` promise."""

import re

import pytest

from agent.cli.main import main
from agent.errors import SUCCESS_CODES, AgentError, ExitCode
from tests.conftest import CHECKOUT


def test_the_manual_page_lists_every_exit_code_and_no_other() -> None:
    page = (CHECKOUT / "docs/maestro-agent.8").read_text()
    section = page.partition(".SH EXIT STATUS\n")[2].partition("\n.SH ")[0]

    assert [int(code) for code in re.findall(r"^\.B ([0-9]+)$", section, re.MULTILINE)] == sorted(ExitCode)


def test_the_help_lists_every_exit_code_of_a_command_that_was_not_interrupted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--help"]) == 0

    listed = capsys.readouterr().out.partition("exit codes:")[2].partition("\n\n")[0]
    assert [int(code) for code in re.findall(r"\b[0-9]+\b", listed)] == sorted(set(ExitCode) - {ExitCode.STOPPED})


def test_no_expected_error_is_a_success() -> None:
    errors = AgentError.__subclasses__()

    assert errors
    assert [error for error in errors if error.exit_code in SUCCESS_CODES] == []
