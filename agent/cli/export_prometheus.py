"""`maestro-agent tell-textfile`: writes the file for Prometheus; the daemon starts it, and `report --send`."""

import argparse

from agent.cli.export import add_run_dir, finish_exporter, prepare_exporter
from agent.report.prometheus.exporter import TextfileExporter
from agent.state.exporter_status import ExporterName
from agent.state.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what it takes."""
    add_run_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write it; exit 0 written, 1 not."""
    policy = prepare_exporter(arguments, ExporterName.PROMETHEUS)
    why = TextfileExporter(policy.metrics, Store(arguments.state_dir), arguments.run_dir).write()
    return finish_exporter(ExporterName.PROMETHEUS, "" if why else f"{policy.metrics.textfile} written", why)
