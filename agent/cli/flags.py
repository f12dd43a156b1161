"""Options that several commands share. Light: `status` and `history` import it."""

import argparse


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """Add the option of commands that sum up packages, CVEs or gates."""
    parser.add_argument("-v", "--verbose", action="store_true", help="list every package, CVE and gate")
