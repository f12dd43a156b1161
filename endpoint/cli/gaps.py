"""`maestro-endpoint gaps`: which events of which stream are missing, lost or rejected."""

import argparse
from datetime import datetime, timezone

from endpoint.config.read import read_config
from endpoint.core.text import gap_lines
from endpoint.store.queries import FleetQueries
from endpoint.store.session import open_database


def run(arguments: argparse.Namespace) -> None:
    """Print the gaps."""
    config, now = read_config(arguments.config), datetime.now(timezone.utc)
    with open_database(config) as database:
        print("\n".join(gap_lines(FleetQueries(database).streams(now, config.fleet.expire_after))))
