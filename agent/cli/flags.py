"""Options that several commands share. Light: `status` and `history` import it."""

import argparse

_MOST_DIGITS = 9


def add_wait(parser: argparse.ArgumentParser) -> None:
    """Add the option of jobs that hold the job lock."""
    parser.add_argument(
        "--wait", action="store_true", help="if another job is running, wait for it instead of failing (exit 5)"
    )


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """Add the option of commands that sum up packages, CVEs or gates."""
    parser.add_argument("-v", "--verbose", action="store_true", help="list every package, CVE and gate")


def add_output(parser: argparse.ArgumentParser, documents: str, *, line: str = "") -> None:
    """Add the options that replace the text for people: a document, nothing unless a person is needed, or one line.

    Only with `line`, its help, there is `--check`.
    """
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help=f"print {documents}")
    output.add_argument(
        "-q", "--quiet", action="store_true", help="print nothing unless something needs a person, as for cron"
    )
    if line:
        output.add_argument("--check", action="store_true", help=line)


def count(text: str) -> int:
    """Return the number of entries that an option asks for.

    Raises:
        ArgumentTypeError: it is no number above 0.
    """
    if not text.isascii() or not text.isdecimal() or int(text[:_MOST_DIGITS]) < 1:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number of runs or requests")
    return int(text[:_MOST_DIGITS])
