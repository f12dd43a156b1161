"""What `user` takes."""

import argparse

from endpoint.cli.options.kinds import person, tag
from endpoint.core.people import PersonRole


def add_user(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Add what `user` takes."""
    parser.set_defaults(module="user")
    actions = parser.add_subparsers(dest="action", metavar="COMMAND", required=True)
    one = actions.add_parser("add", parents=[common], help="add a person and print a one-time link")
    one.add_argument("name", metavar="NAME", type=person)
    one.add_argument(
        "--role", choices=[role.value for role in PersonRole], required=True, help="what the person may do"
    )
    _add_rights(one)
    actions.add_parser("list", parents=[common], help="everybody, with role and tags")
    one = actions.add_parser("set", parents=[common], help="replace role, tags and the right to reboot")
    one.add_argument("name", metavar="NAME", type=person)
    one.add_argument(
        "--role", choices=[role.value for role in PersonRole], required=True, help="what the person may do"
    )
    _add_rights(one)
    for name, what in (
        ("disable", "end all sessions; nobody logs in by this name"),
        ("enable", "let a disabled person log in again"),
    ):
        one = actions.add_parser(name, parents=[common], help=what)
        one.add_argument("name", metavar="NAME", type=person)
    one = actions.add_parser("link", parents=[common], help="print a one-time link, to set a new password")
    one.add_argument("name", metavar="NAME", type=person)
    one.add_argument("--login", action="store_true", help="the link logs in, and sets no password")
    one = actions.add_parser("totp", parents=[common], help="remove the authenticator that a person has lost")
    one.add_argument("name", metavar="NAME", type=person)
    one.add_argument("--off", action="store_true", required=True, help="require no codes; ends all sessions")


def _add_rights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tag", metavar="TAG", type=tag, nargs="+", action="extend", help="sees these hosts only (default: all)"
    )
    parser.add_argument("--may-reboot", action="store_true", help="an operator who may let hosts reboot")
