"""What `try` takes."""

import argparse
import os
from pathlib import Path


def add_try(parser: argparse.ArgumentParser) -> None:
    """Add what `try` takes."""
    default = Path("/var/lib/maestro-endpoint-try" if os.geteuid() == 0 else Path.home() / ".maestro-endpoint-try")
    parser.add_argument("--dir", type=Path, default=default, help=f"where all files are kept (default: {default})")
    parser.add_argument("--port", type=int, default=8443, help="on 127.0.0.1 (default: 8443)")
    parser.set_defaults(module="try_out")
