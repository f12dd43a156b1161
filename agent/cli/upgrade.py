"""`maestro-agent upgrade`: carry out the plan; security only unless `--all`."""

import argparse

from agent.cli.options import add_wait, asker, config_path
from agent.cli.run_job import best_way, do
from agent.core.model.plan import Scope
from agent.report.text import outcome_lines, plan_lines
from agent.worker.protocol import Request, Verb
from agent.worker.runner import detached

EXAMPLE = "example: maestro-agent upgrade --plan 3f9a52c01b7e   (exactly what `check` showed, or nothing)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `upgrade` takes."""
    scope = parser.add_mutually_exclusive_group()
    scope.add_argument("--security", action="store_true", help="security updates only (the default)")
    scope.add_argument("--all", action="store_true", help="every package to its newest version")
    parser.add_argument("--no-refresh", action="store_true", help="work with the package lists as they are")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the plan from the lists as they are; change nothing"
    )
    parser.add_argument("--plan", metavar="ID", help="refuse unless the plan is still this one")
    add_wait(parser)
    parser.add_argument("--json", action="store_true", help="print maestro.outcome/1 (or maestro.plan/1)")


def run(arguments: argparse.Namespace) -> int:
    """Upgrade; exit 0 all done, 10 some held back, 1 failed, 3 lists stale, 5 busy."""
    request = Request(
        verb=Verb.CHECK if arguments.dry_run else Verb.UPGRADE,
        scope=Scope.ALL if arguments.all else Scope.SECURITY,
        refresh=not (arguments.no_refresh or arguments.dry_run),
        remember=not arguments.dry_run,
        plan_id=arguments.plan,
        wait=arguments.wait,
        asked_by=asker(),
        config=config_path(arguments),
        state_dir=arguments.state_dir,
    )
    if arguments.dry_run:
        return do(request, as_json=arguments.json, render=plan_lines)
    return do(request, as_json=arguments.json, render=outcome_lines, how=best_way(request, detached))
