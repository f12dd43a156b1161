"""What `advisories` takes."""

import argparse
from pathlib import Path


def add_advisories(parser: argparse.ArgumentParser) -> None:
    """Add what `advisories` takes."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", metavar="FILE", type=Path, help="instead of /etc/maestro-endpoint/config.toml")
    parser.set_defaults(module="advisories")
    actions = parser.add_subparsers(dest="action", metavar="COMMAND", required=True)
    actions.add_parser("load", parents=[common], help="load the files that [advisories] names")
    actions.add_parser("status", parents=[common], help="what is loaded, and since when")
