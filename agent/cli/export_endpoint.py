"""`maestro-agent tell-centre`: the sender for the centre; the daemon starts it, and `report --send`."""

import argparse

from agent.cli.export import add_run_dir, count_of, finish_exporter, prepare_exporter
from agent.errors import HostError
from agent.report.endpoint.exporter import EndpointExporter
from agent.state.exporter_status import ExporterName
from agent.state.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what it takes."""
    add_run_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    """Deliver what waits; exit 0 told, 1 not told."""
    policy = prepare_exporter(arguments, ExporterName.ENDPOINT)
    try:
        delivered = EndpointExporter(policy.endpoint, Store(arguments.state_dir), arguments.run_dir).send()
    except HostError as error:
        return finish_exporter(ExporterName.ENDPOINT, "", str(error))
    more = "; more wait, and go out a minute later" if delivered.more else ""
    words = f"{count_of(delivered.sent, 'message')} delivered{more}"
    return finish_exporter(ExporterName.ENDPOINT, words, delivered.response.why)
