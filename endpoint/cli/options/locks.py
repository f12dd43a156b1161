"""What `locks` takes."""

import argparse
from pathlib import Path

from endpoint.cli.options.kinds import printable


def add_locks(parser: argparse.ArgumentParser) -> None:
    """Add what `locks` takes."""
    parser.add_argument("--json", action="store_true", help="print maestro.locks/1")
    # Without defaults: those of an action would replace what was given before it.
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--config", metavar="FILE", type=Path, help="instead of /etc/maestro-endpoint/config.toml")
    actions = parser.add_subparsers(dest="action", metavar="COMMAND")
    parser.set_defaults(module="locks", action="list")
    one = actions.add_parser("list", parents=[common], help="the same")
    one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print maestro.locks/1")
    one = actions.add_parser("release", parents=[common], help="release the slot of a host that cannot do it itself")
    one.add_argument("host", metavar="HOST", type=printable, help="its name, host id or client id")
    one.add_argument("--why", metavar="TEXT", type=printable, required=True, help="for the record")
    one.add_argument("--group", type=printable, help="if it holds several")
