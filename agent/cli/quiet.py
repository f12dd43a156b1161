"""What `--quiet` prints: what needs a person, one line each; nothing if nothing does. Light: `status` imports it."""

from agent.cli.output import print_lines
from agent.report.status.collect import collect_status
from agent.report.status.document import Status, build_status
from agent.report.status.needs import needs
from agent.state.store import Store
from agent.state.timestamps import utc_now


def print_needs(status: Status) -> None:
    """Print what needs a person."""
    print_lines(f"{status.host}: {need.text}" for need in needs(status))


def print_recorded_needs(state_dir: str) -> None:
    """Print what needs a person according to the record as it is now."""
    print_needs(build_status(collect_status(Store(state_dir)), utc_now().replace(microsecond=0)))
