"""`maestro-agent status`: shows the record, even if everything else fails. Imports nothing heavy."""

import argparse

from agent.cli.flags import add_output
from agent.cli.output import print_json, print_lines
from agent.cli.quiet import print_needs
from agent.report.status.collect import collect_status
from agent.report.status.document import build_status, status_document
from agent.report.status.lines import status_lines
from agent.state.store import Store
from agent.state.timestamps import utc_now

EXAMPLE = "example: maestro-agent status --json | jq .reasons"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `status`."""
    parser.add_argument(
        "-v", "--verbose", "--all", action="store_true", dest="verbose", help="list every package, source and service"
    )
    add_output(parser, "maestro.status/1")


def run(arguments: argparse.Namespace) -> int:
    """Print the status; exit 0 healthy, 10 attention, 3 unknown or stale."""
    now = utc_now().replace(microsecond=0)
    status = build_status(collect_status(Store(arguments.state_dir)), now)
    if arguments.quiet:
        print_needs(status)
    elif arguments.json:
        print_json(status_document(status))
    else:
        print_lines(status_lines(status, verbose=arguments.verbose))
    return status.health.exit_code
