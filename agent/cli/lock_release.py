"""`lock release`: give the fleet lock back, as a job, so that no reboot is under way meanwhile."""

import argparse

from agent.cli.options import config_path, requested_by
from agent.cli.run_job import choose_runner, run_job
from agent.core.job_kinds import JobKind, JobOption
from agent.report.fleet_lock_text import release_lines
from agent.state.fleet_lock_view import FleetLockView
from agent.worker.protocol import JobRequest
from agent.worker.runner import run_forked


def run(arguments: argparse.Namespace) -> int:
    """Release; exit 0 no lock is held any more, 1 the server refused or could not be reached, 5 another job runs."""
    request = JobRequest(
        kind=JobKind.RELEASE_LOCK,
        options=frozenset({JobOption.FORGET_LOCK} if arguments.forget else ()),
        wait=arguments.wait,
        requested_by=requested_by(),
        config=config_path(arguments),
        state_dir=arguments.state_dir,
    )
    return run_job(
        request,
        as_json=arguments.json,
        render=lambda document: release_lines(FleetLockView(document)),
        runner=choose_runner(request, run_forked),
    )
