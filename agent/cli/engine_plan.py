"""`docker plan` and `weave plan`: what an upgrade would do now. Imported only by these and by `upgrade`."""

import argparse

from agent.cli.engine import ALLOWANCES
from agent.cli.options import config_path, requested_by
from agent.cli.run_job import run_job
from agent.core.job_kinds import JobKind, JobOption
from agent.report.engine_text import engine_plan_lines
from agent.state.engine_view import EngineView
from agent.worker.protocol import JobRequest

_KINDS = {"docker": JobKind.DOCKER_PLAN, "weave": JobKind.WEAVE_PLAN}


def run(arguments: argparse.Namespace, component: str) -> int:
    """Observe now and print the plan; exit 0 nothing to do, 10 something to do or blocked, 3 unknown."""
    request = plan_request(arguments, component)
    return run_job(
        request,
        as_json=arguments.json,
        render=lambda document: engine_plan_lines(EngineView(document), every=arguments.all, allowed=allowed(request)),
    )


def allowed(request: JobRequest) -> list[str]:
    """Return the options that allow something, as on the command line."""
    return sorted(option.value for option in request.options)


def plan_request(arguments: argparse.Namespace, component: str) -> JobRequest:
    """Return the request for the plan, with what the command line allows."""
    names = [name for name in ALLOWANCES[component] if getattr(arguments, name.replace("-", "_"))]
    return JobRequest(
        kind=_KINDS[component],
        plan_id=arguments.plan,
        options=frozenset(map(JobOption, names)),
        wait=arguments.wait,
        requested_by=requested_by(),
        config=config_path(arguments),
        state_dir=arguments.state_dir,
    )
