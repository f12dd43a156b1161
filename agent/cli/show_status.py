"""Prints the status. Light: `status` runs nothing but this where argparse has nothing to parse."""

from agent.cli.output import print_json, print_lines
from agent.report.status.collect import collect_status
from agent.report.status.document import Status, build_status, status_document
from agent.report.status.lines import status_lines
from agent.state.store import DEFAULT_DIRECTORY, Store
from agent.state.timestamps import utc_now


def show_status(state_dir: str = DEFAULT_DIRECTORY, *, as_json: bool, verbose: bool = False) -> int:
    """Print the status; return 0 healthy, 10 attention, 3 unknown or stale."""
    status = current_status(state_dir)
    if as_json:
        print_json(status_document(status))
    else:
        print_lines(status_lines(status, verbose=verbose))
    return status.health.exit_code


def current_status(state_dir: str) -> Status:
    """Read the record and the machine as they are now."""
    return build_status(collect_status(Store(state_dir)), utc_now().replace(microsecond=0))
