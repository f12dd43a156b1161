"""Bash completion offers exactly the commands and options that exist."""

import re
import subprocess

import pytest

from tests.conftest import CHECKOUT

VERBS = ("status", "check", "upgrade", "explain", "follow", "history", "report", "run", "config")
OPTION = re.compile(r"(?m)^ +(?:-[a-z](?: [A-Z]+)?, )?(--[a-z-]+)")
COMPLETE = """
. completion/maestro-agent.bash
COMP_WORDS=(maestro-agent "$@"); COMP_CWORD=$#
compopt() { :; }
_maestro_agent
printf '%s\\n' "${COMPREPLY[@]}"
"""


def offered(*words: str) -> set[str]:
    command = ["bash", "-c", COMPLETE, "bash", *words]
    return set(subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split())


def usage(*words: str) -> str:
    command = ["/usr/bin/python3", "-m", "agent", *words, "--help"]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_a_command_is_offered(verb: str) -> None:
    assert offered(verb, "--") == set(OPTION.findall(usage(verb)))


def test_every_command_is_offered() -> None:
    assert offered("") == {*VERBS, "help"}
    assert offered("help", "") == set(VERBS)
    assert set(re.findall(r"(?m)^    ([a-z]+) ", usage())) == {*VERBS, "help"}
