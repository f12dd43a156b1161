"""What the parser of a command line takes: completions and manual pages are held to it."""

import argparse

from agent.cli.command_line import COMMANDS, command_parser

VERBS = sorted(set(COMMANDS) - {"help"})


def actions(verb: str) -> list[argparse.Action]:
    """Return the options and arguments of a command."""
    return list(command_parser(verb)._actions)  # noqa: SLF001 - argparse shows them in no other way


def options(verb: str) -> set[str]:
    """Return the long options of a command."""
    return {option for action in actions(verb) for option in action.option_strings if option.startswith("--")}


def subjects(verb: str) -> set[str]:
    """Return the values that the argument of a command may have, where they are known: "status", "release"."""
    return {str(one) for action in actions(verb) if not action.option_strings for one in action.choices or ()}


def keywords(verb: str) -> set[str]:
    """Return the words that the argument of a command takes beside names: `PACKAGE|reboot` has one."""
    named = [str(action.metavar) for action in actions(verb) if not action.option_strings]
    return {word for name in named for word in name.split("|") if word.islower()}


def with_value() -> dict[str, tuple[str, set[str]]]:
    """Return each option that takes a value, with a command that has it and the values, where they are known.

    The command is one whose argument has known values, where there is one.
    """
    found: dict[str, tuple[str, set[str]]] = {}
    for verb in sorted(VERBS, key=lambda verb: not subjects(verb)):
        for action in actions(verb):
            if action.option_strings and action.nargs is None:
                for option in action.option_strings:
                    found.setdefault(option, (verb, {str(one) for one in action.choices or ()}))
    return found
