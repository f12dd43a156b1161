"""`maestro-endpoint serve`: accept reports until stopped."""

import argparse

from endpoint.config.read import read_config
from endpoint.http.server import serve


def run(arguments: argparse.Namespace) -> None:
    """Serve as the configuration says."""
    serve(read_config(arguments.config))
