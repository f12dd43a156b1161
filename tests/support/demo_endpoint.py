"""An endpoint in this process with the invented fleet of `maestro-endpoint demo`."""

from datetime import datetime, timezone
from pathlib import Path

from endpoint.cli.demo import fill
from tests.support.local_endpoint import LocalEndpoint


def demo_endpoint(directory: Path, database: str, hosts: int = 60) -> LocalEndpoint:
    """Return a started endpoint; `end` closes it."""
    made = LocalEndpoint(directory=directory, database=database, settings={"fleet": {"silent_after_s": 43200}})
    made.configure()
    made.start()
    fill(made.opened, hosts, datetime.now(timezone.utc))
    return made
