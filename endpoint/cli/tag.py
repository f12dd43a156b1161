"""`maestro-endpoint tag`: show and change the tags of hosts."""

import argparse
from datetime import datetime, timezone

from endpoint.cli.person import calling_person
from endpoint.config.read import read_config
from endpoint.core.fleet import fleet_document
from endpoint.core.host_choice import find_host
from endpoint.core.text import clean, table
from endpoint.errors import UsageError
from endpoint.store.deployments import Actor
from endpoint.store.queries import FleetQueries
from endpoint.store.session import open_database
from endpoint.store.tags import HostTags


def run(arguments: argparse.Namespace) -> None:
    """Change the tags of a host if any are given, and print the tags: of this host, or of all that have any."""
    config, now, caller = read_config(arguments.config), datetime.now(timezone.utc), calling_person()
    if arguments.host is None and (arguments.add or arguments.remove):
        raise UsageError("which host? `maestro-endpoint tag HOST --add TAG`")
    with open_database(config) as database:
        streams = FleetQueries(database).streams(now, config.fleet.expire_after)
        rows = fleet_document(streams, now, config.fleet.silent_after)["hosts"]
        tags = HostTags(database)
        if arguments.host is not None:
            rows = [find_host(rows, arguments.host)]
            host = rows[0]
            tags.change(
                host["host_id"], add=arguments.add, remove=arguments.remove, label=host["name"] or "",
                by=Actor(name=caller, at=now),
            )  # fmt: skip
        found = tags.all()
    lines = [
        (clean(row["name"] or "-"), " ".join(sorted(found.get(row["host_id"], ()))) or "-", row["host_id"])
        for row in rows
        if arguments.host is not None or row["host_id"] in found
    ]
    print("\n".join(table([("HOST", "TAGS", "ID"), *lines]) if lines else ["no host has a tag"]))
