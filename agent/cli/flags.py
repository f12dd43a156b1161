"""Options that several commands share. Light: `status` and `history` import it."""

import argparse


def add_wait(parser: argparse.ArgumentParser) -> None:
    """Add the option of jobs that hold the job lock."""
    parser.add_argument(
        "--wait", action="store_true", help="if another job is running, wait for it instead of failing (exit 5)"
    )


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """Add the option of commands that sum up packages, CVEs or gates."""
    parser.add_argument("-v", "--verbose", action="store_true", help="list every package, CVE and gate")


def add_output(parser: argparse.ArgumentParser, documents: str) -> None:
    """Add the options that replace the text for people: a document, or nothing unless a person is needed."""
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help=f"print {documents}")
    output.add_argument(
        "-q", "--quiet", action="store_true", help="print nothing unless something needs a person, as for cron"
    )
