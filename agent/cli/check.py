"""`maestro-agent check`: refresh, look, decide, record, print the plan; changes nothing else."""

import argparse

from agent.cli.jobs import config_path, do
from agent.text import plan_lines
from agent.worker import Request

EXAMPLE = "example: maestro-agent check --json | jq '.install[].package'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `check` takes."""
    parser.add_argument("--no-refresh", action="store_true", help="look at the package lists as they are; no network")
    parser.add_argument("--json", action="store_true", help="print maestro.plan/1")


def run(arguments: argparse.Namespace) -> int:
    """Check; exit 0 nothing waits, 10 updates wait or are held back, 3 the lists cannot tell."""
    request = Request(
        verb="check",
        refresh=not arguments.no_refresh,
        config=config_path(arguments),
        state_dir=arguments.state_dir,
    )
    return do(request, as_json=arguments.json, render=plan_lines)
