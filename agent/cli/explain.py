"""`maestro-agent explain`: every gate of a package, or of a reboot, its verdict and what would open it."""

import argparse

from agent.cli.options import config_path
from agent.cli.output import print_json, print_lines
from agent.cli.run_job import run_job
from agent.core.job_kinds import JobKind
from agent.errors import ExitCode, UsageError
from agent.host.reboot.flag_facts import read_reboot
from agent.report.text import explanation_lines
from agent.state.documents.explanation import reboot_explanation_to_document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import utc_now
from agent.worker.protocol import JobRequest

EXAMPLE = "example: maestro-agent explain openssl"
_PLANNED = {"docker", "weave"}
"""Subjects of later versions; a package of that name cannot be explained."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `explain`."""
    parser.add_argument("subject", metavar="PACKAGE|reboot", help="package name, or `reboot`")
    parser.add_argument("--json", action="store_true", help="print maestro.explain/1")


def run(arguments: argparse.Namespace) -> int:
    """Explain; exit 0, or 2 if apt knows no such package."""
    if arguments.subject in _PLANNED:
        raise UsageError(f"{arguments.subject} is not supported by this version of the agent yet")
    if arguments.subject == "reboot":
        document = reboot_explanation_to_document(read_reboot(), utc_now())
        if arguments.json:
            print_json(document)
        else:
            print_lines(explanation_lines(JsonReader(document, "explain")))
        return ExitCode.OK
    request = JobRequest(
        kind=JobKind.EXPLAIN,
        package=arguments.subject,
        config=config_path(arguments),
        state_dir=arguments.state_dir,
    )
    return run_job(request, as_json=arguments.json, render=explanation_lines)
