"""`maestro-endpoint backup`: a verified copy of the database, while the server runs."""

import argparse

from endpoint.config.read import database_url, read_config
from endpoint.store.backup import back_up

_MIB = 1 << 20


def run(arguments: argparse.Namespace) -> None:
    """Copy the database as the caller, not as the database's owner: root may write where the owner may not."""
    made = back_up(database_url(read_config(arguments.config)), arguments.file, replace=arguments.replace)
    print(f"{made.file}: {made.size_bytes / _MIB:.1f} MiB, verified")
    print(f"to restore it, stop maestro-endpoint and run: {made.restore_with}")
