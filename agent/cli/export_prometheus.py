"""`maestro-agent tell-textfile`: writes the file for Prometheus; the daemon starts it, and `report --send`."""

import argparse

from agent.cli.export import add_run_dir, come_back, set_out
from agent.report.prometheus.exporter import Scribe
from agent.state.exporter_status import Listener
from agent.state.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what it takes."""
    add_run_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write it; exit 0 written, 1 not."""
    policy = set_out(arguments, Listener.TEXTFILE)
    why = Scribe(policy.metrics, Store(arguments.state_dir), arguments.run_dir).write()
    return come_back(Listener.TEXTFILE, "" if why else f"{policy.metrics.textfile} written", why)
