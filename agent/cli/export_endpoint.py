"""`maestro-agent tell-centre`: the sender for the centre; the daemon starts it, and `report --send`."""

import argparse

from agent.cli.export import add_run_dir, come_back, counted, set_out
from agent.errors import HostError
from agent.report.endpoint.exporter import Courier
from agent.state.exporter_status import Listener
from agent.state.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what it takes."""
    add_run_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    """Deliver what waits; exit 0 told, 1 not told."""
    policy = set_out(arguments, Listener.CENTRE)
    try:
        delivered = Courier(policy.endpoint, Store(arguments.state_dir), arguments.run_dir).send()
    except HostError as error:
        return come_back(Listener.CENTRE, "", str(error))
    more = "; more wait, and go out a minute later" if delivered.more else ""
    words = f"{counted(delivered.sent, 'message')} delivered{more}"
    return come_back(Listener.CENTRE, words, delivered.answer.why)
