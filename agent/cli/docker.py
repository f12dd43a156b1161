"""`maestro-agent docker`: Docker as the last check saw it, and against the manifest. Imports nothing heavy."""

import argparse

from agent.cli.engine import add_engine_arguments, show_engine

EXAMPLE = "example: maestro-agent docker status"
_ACTIONS = ("status", "plan")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `docker`."""
    add_engine_arguments(parser, _ACTIONS)


def run(arguments: argparse.Namespace) -> int:
    """Show Docker; exit 0 as wanted or not installed, 10 attention, 3 unknown."""
    return show_engine(arguments, "docker")
