"""`maestro-agent check`: refresh the package lists, make a plan, record and print it; changes nothing else."""

import argparse

from agent.cli.flags import add_output, add_verbose, add_wait
from agent.cli.options import config_path, requested_by
from agent.cli.run_job import choose_runner, run_job, run_quietly, running_notice
from agent.core.job_kinds import JobKind
from agent.report.plan_text import plan_lines
from agent.state.views import PlanView
from agent.worker.protocol import JobRequest
from agent.worker.runner import run_inline

EXAMPLE = "example: maestro-agent check --json | jq '.install[].package'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `check`."""
    parser.add_argument("--no-refresh", action="store_true", help="use the package lists as they are; no network")
    parser.add_argument("--plan", metavar="ID", help="exit 6 unless the plan is still this one; names what changed")
    add_wait(parser)
    add_verbose(parser)
    add_output(parser, "maestro.plan/1")


def run(arguments: argparse.Namespace) -> int:
    """Check; exit 0 nothing pending, 10 updates pending or held back, 3 package lists not fresh, 6 another plan."""
    request = JobRequest(
        kind=JobKind.CHECK,
        refresh=not arguments.no_refresh,
        plan_id=arguments.plan,
        wait=arguments.wait,
        requested_by=requested_by(),
        config=config_path(arguments),
        state_dir=arguments.state_dir,
    )
    runner = choose_runner(request, run_inline) if request.refresh else run_inline
    if arguments.quiet:
        return run_quietly(request, runner)
    notice = "" if request.refresh else running_notice(arguments.state_dir)
    return run_job(
        request,
        as_json=arguments.json,
        render=lambda document: plan_lines(PlanView(document), verbose=arguments.verbose, working=bool(notice)),
        runner=runner,
        notice=notice,
    )
