"""maestro-endpoint(8) has every command with its options, and the example of the configuration every setting."""

import re
import sys
from dataclasses import fields

import pytest

from endpoint.config.model import Config
from tests.endpoint.commands import actions, commands
from tests.support.endpoint_server import CHECKOUT

if sys.version_info >= (3, 11):
    import tomllib
else:  # Ubuntu 22.04
    import tomli as tomllib

GLOBAL = {"-h", "--help", "--version", "--config"}
SAME = {"locks list": "locks"}
"""Commands that are another one by a longer name."""
COMMANDS = sorted(
    name
    for name in commands()
    if name == "locks" or (name and not any(other.startswith(f"{name} ") for other in commands()))
)


def page() -> str:
    """Return the page without changes of its font."""
    return re.sub(r"\\f[A-Z]", "", (CHECKOUT / "docs/maestro-endpoint.8").read_text()).replace("\\-", "-")


def section(title: str) -> str:
    return page().partition(f"\n.SH {title}\n")[2].partition("\n.SH ")[0]


def text_of(command: str) -> str:
    """Return the entry of a command, and its part of the synopsis."""
    heads = "|".join(map(re.escape, sorted(COMMANDS, reverse=True)))
    parts = re.split(rf"(?m)^\.TP\n\.B[RI]? \"?(?=(?:{heads})\b)", section("COMMANDS"))[1:]
    entries = [part for part in parts if re.match(rf"{command}(?= ?[\"\n])", part)]
    calls = [call for call in section("SYNOPSIS").split(".br\n") if call.startswith(f".B maestro-endpoint {command}\n")]
    assert len(entries) == 1, command
    return entries[0] + "".join(calls)


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in SAME])
def test_an_entry_has_every_option_and_every_known_value_of_its_command(command: str) -> None:
    text = text_of(command)
    own = [action for action in actions(command) if GLOBAL.isdisjoint(action.option_strings)]
    given = [*(name for action in own for name in action.option_strings), *(v for a in own for v in a.choices or ())]

    assert [word for word in given if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)] == []


@pytest.mark.parametrize(("command", "same"), SAME.items())
def test_a_command_by_another_name_has_the_same_options(command: str, same: str) -> None:
    assert {name for action in actions(command) for name in action.option_strings} == {
        name for action in actions(same) for name in action.option_strings
    }


def test_the_example_of_the_configuration_has_every_setting_and_no_other() -> None:
    lines = (CHECKOUT / "docs/endpoint/config.example.toml").read_text().splitlines()
    tables = tomllib.loads("\n".join(line.removeprefix("# ") if " = " in line else line for line in lines))

    assert {name: set(table) for name, table in tables.items()} == {
        table.name: {one.name for one in fields(getattr(Config(), table.name))} for table in fields(Config)
    }
