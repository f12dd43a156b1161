"""`maestro-agent status`: shows the record, even if everything else fails. Imports nothing heavy."""

import argparse

from agent.cli.flags import add_output
from agent.cli.output import print_json, print_lines, write_out
from agent.cli.quiet import print_needs
from agent.errors import AgentError
from agent.report.status.check_line import CheckState, check_line, check_state, failed_check_line
from agent.report.status.collect import collect_status
from agent.report.status.document import Status, build_status, status_document
from agent.report.status.lines import status_lines
from agent.state.store import Store
from agent.state.timestamps import utc_now

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
    status = _status(arguments.state_dir)
    if arguments.quiet:
        print_needs(status)
    elif arguments.json:
        print_json(status_document(status))
    else:
        print_lines(status_lines(status, verbose=arguments.verbose))
    return status.health.exit_code


def _check(state_dir: str) -> int:
    """Print one line; exit with a state of a Nagios plugin, also where the record cannot be read."""
    try:
        status = _status(state_dir)
        line, state = check_line(status), check_state(status)
    except (AgentError, OSError) as error:
        line, state = failed_check_line(str(error)), CheckState.UNKNOWN
    write_out(f"{line}\n")
    return state


def _status(state_dir: str) -> Status:
    return build_status(collect_status(Store(state_dir)), utc_now().replace(microsecond=0))
