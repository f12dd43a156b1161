"""What the endpoint's parser takes: completions and the manual page are held to it."""

import argparse
from collections.abc import Iterator

from endpoint.cli.options.parser import make_parser


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command by its words: "", "token", "token add"."""
    return dict(_below("", make_parser()))


def actions(command: str) -> list[argparse.Action]:
    """Return the options and arguments of a command, without its own commands."""
    found = commands()[command]._actions  # noqa: SLF001 - argparse shows them in no other way
    return [action for action in found if not isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001


def options(command: str) -> set[str]:
    """Return the long options of a command."""
    return {name for action in actions(command) for name in action.option_strings if name.startswith("--")}


def words(command: str) -> set[str]:
    """Return the commands below a command, or the values of its argument where they are known."""
    values = {str(one) for action in actions(command) if not action.option_strings for one in action.choices or ()}
    below = {other for other in commands() if other and other.rpartition(" ")[0] == command}
    return values | {other.rpartition(" ")[2] for other in below}


def with_value() -> dict[str, tuple[str, set[str]]]:
    """Return each option that takes a value, with a command that has it and the values, where they are known."""
    found: dict[str, tuple[str, set[str]]] = {}
    for command in commands():
        for action in actions(command):
            if action.option_strings and action.nargs != 0:
                for option in action.option_strings:
                    found.setdefault(option, (command, {str(one) for one in action.choices or ()}))
    return found


def _below(name: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield name, parser
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for word, below in action.choices.items():
                yield from _below(f"{name} {word}".strip(), below)
