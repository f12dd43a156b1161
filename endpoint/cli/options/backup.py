"""What `backup` takes."""

import argparse
from pathlib import Path


def add_backup(parser: argparse.ArgumentParser) -> None:
    """Add what `backup` takes."""
    parser.add_argument("file", metavar="FILE", type=Path, help="the copy; only its owner can read it")
    parser.add_argument("--replace", action="store_true", help="overwrite FILE if it exists")
    parser.set_defaults(module="backup")
