"""Completion offers exactly the commands and options that exist, in each shell."""

import re
import subprocess
from collections.abc import Callable

import pytest

from agent.cli.command_line import COMMANDS
from tests.cli.shells import bash, fish, zsh
from tests.conftest import CHECKOUT

VERBS = sorted(set(COMMANDS) - {"help"})
RECORD = "tests/fixtures/state-8f639af"
RUNS = {"20261128T214724Z", "20261128T214726Z"}
Shell = Callable[..., set[str]]


def usage(*words: str) -> str:
    command = ["/usr/bin/python3", "-m", "agent", *words, "--help"]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout


def options(verb: str) -> set[str]:
    lines = re.findall(r"(?m)^  (-\S.*?)(?:  |$)", usage(verb))
    return {option for line in lines for option in re.findall(r"--[a-z-]+", line)}


@pytest.fixture(params=[bash, zsh, fish], ids=lambda shell: shell.__name__)
def shell(request: pytest.FixtureRequest) -> Shell:
    found: Shell = request.param
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_a_command_is_offered(shell: Shell, verb: str) -> None:
    assert shell(verb, "--") == options(verb)


def test_every_command_is_offered(shell: Shell) -> None:
    assert shell("") == set(COMMANDS)
    assert shell("--json", "") == set(COMMANDS)
    assert shell("help", "") >= set(VERBS)
    assert shell("sta") == {"status"}


@pytest.mark.parametrize("verb", ["explain", "upgrade"])
def test_installed_packages_are_offered_also_after_another(shell: Shell, verb: str) -> None:
    assert shell(verb, "base-fi") == {"base-files"}
    assert shell(verb, "apt", "base-fi") == {"base-files"}
    assert ("reboot" in shell(verb, "reb")) is (verb == "explain")


@pytest.mark.parametrize("words", [("--state-dir", RECORD, "history", ""), ("history", "--state-dir", RECORD, "")])
def test_the_runs_on_record_are_offered(shell: Shell, words: tuple[str, ...]) -> None:
    assert shell(*words) == {"last", *RUNS}


def test_the_actions_of_config_are_offered(shell: Shell) -> None:
    assert shell("config", "") == {"check", "show", "accept"}
