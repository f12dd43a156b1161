"""What `token` takes."""

import argparse

from endpoint.cli.options.enrolments import add_enrolment_key
from endpoint.cli.options.kinds import printable, tag
from endpoint.core.people import PersonRole


def add_token(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Add what `token` takes."""
    parser.set_defaults(module="token")
    actions = parser.add_subparsers(dest="action", metavar="COMMAND", required=True)
    one = actions.add_parser("add", parents=[common], help="create a token and print it, once")
    one.add_argument("--name", type=printable, default="", help="what it is for")
    one.add_argument("--host", metavar="UUID", help="valid for this host only")
    who = one.add_mutually_exclusive_group()
    who.add_argument("--admin", action="store_true", help="as --role admin")
    who.add_argument("--role", choices=[role.value for role in PersonRole], help="a person's rights; cannot send")
    one.add_argument(
        "--tag",
        metavar="TAG",
        type=tag,
        nargs="+",
        action="extend",
        help="with --role: these hosts only; with --enrol: of its hosts",
    )
    one.add_argument("--may-reboot", action="store_true", help="with --role operator: may let hosts reboot")
    add_enrolment_key(one)
    actions.add_parser("list", parents=[common], help="all tokens and enrolment keys, without their secrets")
    one = actions.add_parser(
        "revoke", parents=[common], help="revoke a token or an enrolment key; takes effect within seconds"
    )
    one.add_argument("id", type=printable, help="as `token list` shows it")
