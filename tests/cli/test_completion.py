"""Completion offers exactly the commands, options and values that the parser takes, in each shell."""

from collections.abc import Callable

import pytest

from agent.cli.command_line import COMMANDS
from tests.cli.parsers import VERBS, keywords, options, subjects, with_value
from tests.cli.shells import bash, fish, zsh

RECORD = "tests/fixtures/state-8f639af"
GLOBAL = {"--config", "--state-dir"}
TAKE_FILES = {*GLOBAL, "--run-dir"}
TAKE_PACKAGES = {"explain", "snooze", "upgrade"}
RUNS = {"20261128T214724Z", "20261128T214726Z"}
Shell = Callable[..., set[str]]


@pytest.fixture(params=[bash, zsh, fish], ids=lambda shell: shell.__name__)
def shell(request: pytest.FixtureRequest) -> Shell:
    found: Shell = request.param
    return found


def arguments(offered: set[str]) -> set[str]:
    """Return what is offered but for options: zsh offers those of a command without arguments, too."""
    return {word for word in offered if not word.startswith("-")}


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_a_command_is_offered(shell: Shell, verb: str) -> None:
    assert shell(verb, "--") == options(verb)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if subjects(verb)])
def test_every_action_of_a_command_is_offered(shell: Shell, verb: str) -> None:
    assert shell(verb, "") == subjects(verb)


@pytest.mark.parametrize("option", sorted(with_value()))
def test_a_value_is_offered_where_it_is_known_and_never_taken_for_a_command(shell: Shell, option: str) -> None:
    verb, values = with_value()[option]

    if values or option not in TAKE_FILES:
        assert shell(verb, option, "") == values
    word = "base-fi" if verb in TAKE_PACKAGES else ""
    assert arguments(shell(verb, option, "value", word)) == arguments(shell(verb, word))
    if shell is not zsh or option in GLOBAL:  # zsh offers only options of every command before the command
        assert shell(option, "value", "") == set(COMMANDS)


def test_every_command_is_offered(shell: Shell) -> None:
    assert shell("") == set(COMMANDS)
    assert shell("--json", "") == set(COMMANDS)
    assert shell("help", "") >= set(VERBS)
    assert shell("sta") == {"status"}


@pytest.mark.parametrize("verb", sorted(TAKE_PACKAGES))
def test_installed_packages_are_offered_also_after_another(shell: Shell, verb: str) -> None:
    assert shell(verb, "base-fi") == {"base-files"}
    assert shell(verb, "apt", "base-fi") == {"base-files"}
    for word in keywords("explain"):
        assert (word in shell(verb, word[:-1])) is (word in keywords(verb))


def test_packages_are_offered_where_an_option_takes_them(shell: Shell) -> None:
    assert shell("upgrade", "--only", "base-fi") == {"base-files"}


@pytest.mark.parametrize("words", [("--state-dir", RECORD, "history", ""), ("history", "--state-dir", RECORD, "")])
def test_the_runs_on_record_are_offered(shell: Shell, words: tuple[str, ...]) -> None:
    assert shell(*words) == {"last", *RUNS}
