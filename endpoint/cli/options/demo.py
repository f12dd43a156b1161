"""What `demo` takes."""

import argparse
from pathlib import Path


def add_demo(parser: argparse.ArgumentParser) -> None:
    """Add what `demo` takes."""
    parser.add_argument("--port", type=int, default=8080, help="on 127.0.0.1 (default: 8080)")
    parser.add_argument("--hosts", metavar="N", type=int, default=200, help="how many are invented (default: 200)")
    parser.add_argument("--dir", metavar="DIR", type=Path, help="keep all files there (default: deleted at the end)")
    parser.set_defaults(module="demo")
