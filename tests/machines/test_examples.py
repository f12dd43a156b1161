"""The examples in the README are commands that work."""

import re

import pytest

from tests.conftest import CHECKOUT
from tests.support.repository import package
from tests.support.scenario import Scenario


def readme_commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (CHECKOUT / "README.md").read_text(), flags=re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def test_the_readme_names_the_two_commands() -> None:
    commands = [command for command in readme_commands() if command.startswith("tools/")]

    assert commands == ["tools/install", "tools/test"]
    assert all((CHECKOUT / command).stat().st_mode & 0o111 for command in commands)


@pytest.mark.every_release
def test_every_example_of_the_readme_works(host: Scenario) -> None:
    host.offer("security", package("openssl", "9"))
    commands = [command for command in readme_commands() if command.startswith("maestro-agent ")]

    assert len(commands) >= 9
    for command in commands:
        answer = host.agent(command.removeprefix("maestro-agent "))
        assert answer.code in (0, 3, 10), (command, answer)


def test_the_example_of_a_configuration_error_is_the_real_message(host: Scenario) -> None:
    host.configuration("[security]\nblocklists = []\n")

    message = host.agent("config check").err.strip()

    assert message in (CHECKOUT / "README.md").read_text()
