"""`maestro-agent tell-otlp`: the sender for an OpenTelemetry collector; the daemon starts it, and `report --send`."""

import argparse

from agent.cli.export import add_run_dir, come_back, counted, set_out
from agent.report.otlp.exporter import Herald
from agent.state.exporter_status import Listener
from agent.state.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what it takes."""
    add_run_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    """Send what there is; exit 0 told, 1 not told, or not all of it."""
    policy = set_out(arguments, Listener.OTLP)
    done = Herald(policy.otlp, Store(arguments.state_dir), arguments.run_dir).send()
    words = f"{counted(done.records, 'event')} and {counted(done.points, 'number')} delivered"
    return come_back(Listener.OTLP, words, done.why)
