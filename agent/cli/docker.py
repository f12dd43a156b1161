"""`maestro-agent docker`: Docker as of the last check, against the manifest, and its upgrade. Imports nothing heavy."""

import argparse

from agent.cli.engine import add_engine_arguments, show_engine

EXAMPLE = "example: maestro-agent docker plan; maestro-agent docker upgrade"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `docker`."""
    add_engine_arguments(parser, "docker")


def run(arguments: argparse.Namespace) -> int:
    """Show or upgrade Docker; exit 0 as wanted, done or not installed, 10 attention or blocked, 3 unknown, 1 failed."""
    return show_engine(arguments, "docker")
