"""`maestro-agent status`: shows the record, even if everything else fails. Imports nothing heavy."""

import argparse

from agent.cli.flags import add_output
from agent.cli.output import write_out
from agent.cli.quiet import print_needs
from agent.cli.show_status import current_status, show_status
from agent.errors import AgentError
from agent.report.status.check_line import CheckState, check_line, check_state, failed_check_line

EXAMPLE = "example: maestro-agent status --json | jq .reasons"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `status`."""
    parser.add_argument(
        "-v", "--verbose", "--all", action="store_true", dest="verbose", help="list every package, source and service"
    )
    add_output(parser, "maestro.status/1", line="print one line with performance data, exit 0 to 3 as a Nagios plugin")


def run(arguments: argparse.Namespace) -> int:
    """Print the status; exit 0 healthy, 10 attention, 3 unknown or stale; with `--check` as a Nagios plugin."""
    if arguments.check:
        return _check(arguments.state_dir)
    if arguments.quiet:
        status = current_status(arguments.state_dir)
        print_needs(status)
        return status.health.exit_code
    return show_status(arguments.state_dir, as_json=arguments.json, verbose=arguments.verbose)


def _check(state_dir: str) -> int:
    """Print one line; exit with a state of a Nagios plugin, also where the record cannot be read."""
    try:
        status = current_status(state_dir)
        line, state = check_line(status), check_state(status)
    except (AgentError, OSError) as error:
        line, state = failed_check_line(str(error)), CheckState.UNKNOWN
    write_out(f"{line}\n")
    return state
