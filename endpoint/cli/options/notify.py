"""What `notify` takes."""

import argparse


def add_notify(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Add what `notify` takes."""
    parser.set_defaults(module="notify")
    actions = parser.add_subparsers(dest="action", metavar="COMMAND", required=True)
    actions.add_parser("test", parents=[common], help="send one notification on each configured channel, now")
    actions.add_parser("list", parents=[common], help="the latest notifications, and whether they were sent")
