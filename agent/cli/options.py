"""What several commands take, and what they make of it. Light: the daemon's command comes through here, too."""

import argparse
import os
from pathlib import Path


def config_path(arguments: argparse.Namespace) -> Path | None:
    """Return the configuration file that was named, if one was."""
    return Path(arguments.config) if arguments.config is not None else None


def add_wait(parser: argparse.ArgumentParser) -> None:
    """Add what every job takes that only one may do at a time."""
    parser.add_argument("--wait", action="store_true", help="wait for another job to end rather than say that it runs")


def requested_by() -> str:
    """Name who asks, for the record: behind sudo(8) that is who typed it."""
    return os.environ.get("SUDO_USER") or "root"
