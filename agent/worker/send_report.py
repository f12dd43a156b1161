"""Runs all configured exporters once, for a job."""

from collections.abc import Callable

from agent.host.process.run import ProgramResult, run_program
from agent.state.store import Store


def send_report(store: Store, *, limit_s: float, alive: Callable[[], None]) -> ProgramResult:
    """Send as the daemon does, by the configuration in use: a file that was edited since does not count yet."""
    command = ["maestro-agent", "--state-dir", store.directory, "report", "--send", "--accepted"]
    return run_program(command, limit_s=limit_s, alive=alive)
