"""Options that several commands share. Light: the daemon's command imports it."""

import argparse
import os
from pathlib import Path


def config_path(arguments: argparse.Namespace) -> Path | None:
    """Return the file of `--config`; None if it is not given."""
    return Path(arguments.config) if arguments.config is not None else None


def add_accepted(parser: argparse.ArgumentParser) -> None:
    """Add the option of the daemon and its exporters."""
    parser.add_argument(
        "--accepted",
        action="store_true",
        help="use the configuration that `config accept` has accepted; as systemd starts the daemon",
    )


def requested_by() -> str:
    """Return who requests the job, for the record: the user behind sudo(8), else root."""
    return os.environ.get("SUDO_USER") or "root"
