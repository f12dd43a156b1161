"""What `enrolments` takes, and the options of `token add --enrol`."""

import argparse
from pathlib import Path

from endpoint.cli.options.kinds import limit, moment, printable


def add_enrolments(parser: argparse.ArgumentParser) -> None:
    """Add what `enrolments` takes."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", metavar="FILE", type=Path, help="instead of /etc/maestro-endpoint/config.toml")
    actions = parser.add_subparsers(dest="action", metavar="COMMAND", required=True)
    parser.set_defaults(module="enrolments")
    one = actions.add_parser("list", parents=[common], help="hosts that wait for approval; with --all every enrolment")
    one.add_argument("--all", action="store_true", help="those that were decided, too")
    one.add_argument("--json", action="store_true", help="print maestro.enrolments/1")
    one = actions.add_parser("approve", parents=[common], help="give hosts a token when they ask next")
    which = one.add_mutually_exclusive_group(required=True)
    which.add_argument("id", metavar="ID", type=printable, nargs="*", default=[], help="as `enrolments list` shows it")
    which.add_argument("--all", action="store_true", help="all that wait and have no token of their own")
    one = actions.add_parser("refuse", parents=[common], help="refuse hosts; they can still be approved later")
    one.add_argument("id", metavar="ID", type=printable, nargs="+", help="as `enrolments list` shows it")


def add_enrolment_key(parser: argparse.ArgumentParser) -> None:
    """Add the options of an enrolment key."""
    parser.add_argument("--enrol", action="store_true", help="a key that hosts exchange for a token of their own")
    parser.add_argument(
        "--uses", metavar="N", type=limit, help="with --enrol: for how many hosts (default: any number)"
    )
    parser.add_argument(
        "--until", metavar="TIME", type=moment, help='with --enrol: a day, a time, "30d" or "forever" (default: 30d)'
    )
    parser.add_argument("--approve", action="store_true", help="with --enrol: a person approves each host")
