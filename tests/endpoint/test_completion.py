"""Completion offers exactly the commands, options and values that the parser takes, in each shell."""

import subprocess
from collections.abc import Callable
from functools import partial

import pytest

from tests.cli.shells import bash, fish, zsh
from tests.endpoint.commands import commands, options, with_value, words
from tests.support import bases
from tests.support.endpoint_server import CHECKOUT

COMPLETE = """
. completion/maestro-endpoint.bash
COMP_WORDS=(maestro-endpoint "$@"); COMP_CWORD=$#
compopt() { echo "compopt $*"; }
_maestro_endpoint
printf '%s\\n' "${COMPREPLY[@]}"
"""
SHELLS = (bash, zsh, fish)
OPTIONS = [
    pytest.param(shell, option, id=f"{shell.__name__}-{option}")
    for number, option in enumerate(sorted(with_value()))
    for shell in (SHELLS if bases.thorough() else (SHELLS[number % len(SHELLS)],))
]
"""Options with a value, each in one of the shells, but in every one in a thorough run."""


def offered(*words: str) -> set[str]:
    command = ["bash", "-c", COMPLETE, "bash", *words]
    return set(subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split())


@pytest.fixture(params=SHELLS, ids=lambda shell: shell.__name__)
def shell(request: pytest.FixtureRequest) -> Callable[..., set[str]]:
    return partial(request.param, program="maestro-endpoint")


def arguments(found: set[str]) -> set[str]:
    """Return what is offered but for options: zsh offers those of a command without arguments, too."""
    return {word for word in found if not word.startswith("-")}


@pytest.mark.parametrize("command", commands())
def test_every_option_and_every_command_is_offered(shell: Callable[..., set[str]], command: str) -> None:
    given = command.split()

    assert shell(*given, "--") == options(command)
    assert arguments(shell(*given, "")) == words(command)


@pytest.mark.parametrize(("shell", "option"), OPTIONS, indirect=["shell"])
def test_a_value_is_offered_where_it_is_known_and_never_taken_for_a_command(
    shell: Callable[..., set[str]], option: str
) -> None:
    command, values = with_value()[option]
    given = command.split()

    if values:
        assert shell(*given, option, "") == values
    assert arguments(shell(*given, option, "value", "")) == words(command)


def test_an_options_value_is_not_taken_for_a_command() -> None:
    assert offered("fleet", "--config", "docs/endpoint/config.ex") == {"compopt", "-o", "filenames"} | {
        "docs/endpoint/config.example.toml"
    }
    assert offered("try", "--dir", "docs/end") == {"compopt", "-o", "filenames", "docs/endpoint"}
    assert offered("token", "add", "--name", "") == set()
    assert offered("locks", "release", "--why", "") == set()
    assert offered("request", "check", "--fix", "") == set()
    assert offered("request", "send-report", "--js") == {"--json"}
    assert offered("request", "check", "--when", "") == {"now", "window"}
    assert offered("request", "upgrade-security", "--reboot", "") == {"no", "if-required"}
    assert offered("token", "--config", "x", "") == {"add", "list", "revoke"}
    assert offered("fleet", "--config", "=", "docs/endpoint/op") >= {"docs/endpoint/openapi.yaml"}
