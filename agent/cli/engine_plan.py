"""`docker plan` and `weave plan`: what an upgrade would do now. Imported only by these."""

import argparse

from agent.cli.options import config_path, requested_by
from agent.cli.run_job import run_job
from agent.core.job_kinds import JobKind
from agent.report.engine_text import engine_plan_lines
from agent.state.engine_view import EngineView
from agent.worker.protocol import JobRequest

_KINDS = {"docker": JobKind.DOCKER_PLAN, "weave": JobKind.WEAVE_PLAN}


def show_plan(arguments: argparse.Namespace, component: str) -> int:
    """Observe now and print the plan; exit 0 nothing to do, 10 something to do or blocked, 3 unknown."""
    request = JobRequest(
        kind=_KINDS[component],
        requested_by=requested_by(),
        config=config_path(arguments),
        state_dir=arguments.state_dir,
    )
    return run_job(
        request,
        as_json=arguments.json,
        render=lambda document: engine_plan_lines(EngineView(document), every=arguments.all),
    )
