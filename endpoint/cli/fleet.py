"""`maestro-endpoint fleet`: one row for each host."""

import argparse
import json
from datetime import datetime, timezone

from endpoint.config.read import read_config
from endpoint.core.fleet import fleet_document
from endpoint.core.lock_report import locks_by_host
from endpoint.core.text import fleet_lines
from endpoint.store.lock_queries import LockQueries
from endpoint.store.queries import FleetQueries
from endpoint.store.session import open_database


def run(arguments: argparse.Namespace) -> None:
    """Print the fleet."""
    config, now = read_config(arguments.config), datetime.now(timezone.utc)
    with open_database(config) as database:
        streams = FleetQueries(database).streams(now, config.fleet.expire_after)
        locks = locks_by_host(LockQueries(database).locks(now), streams, now, config.locks.settings)
        document = fleet_document(streams, now, config.fleet.silent_after, locks)
    print(json.dumps(document, indent=2) if arguments.json else "\n".join(fleet_lines(document, now)))
