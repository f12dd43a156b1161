"""`maestro-agent weave`: Weave as of the last check, against the manifest, and its upgrade. Imports nothing heavy."""

import argparse

from agent.cli.engine import add_engine_arguments, show_engine

EXAMPLE = "example: maestro-agent weave plan; maestro-agent weave upgrade"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weave`."""
    add_engine_arguments(parser, "weave")


def run(arguments: argparse.Namespace) -> int:
    """Show or upgrade Weave; exit 0 as wanted, done or not installed, 10 attention or blocked, 3 unknown, 1 failed."""
    return show_engine(arguments, "weave")
