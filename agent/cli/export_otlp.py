"""`maestro-agent tell-otlp`: the sender for an OpenTelemetry collector; the daemon starts it, and `report --send`."""

import argparse

from agent.cli.export import add_run_dir, count_of, finish_exporter, prepare_exporter
from agent.report.otlp.exporter import OtlpExporter
from agent.state.exporter_status import ExporterName
from agent.state.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what it takes."""
    add_run_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    """Send what there is; exit 0 told, 1 not told, or not all of it."""
    policy = prepare_exporter(arguments, ExporterName.OTLP)
    done = OtlpExporter(policy.otlp, Store(arguments.state_dir), arguments.run_dir).send()
    words = f"{count_of(done.records, 'event')} and {count_of(done.points, 'number')} delivered"
    return finish_exporter(ExporterName.OTLP, words, done.why)
