"""`maestro-agent restart-services`: restart what still runs replaced files, one by one, each verified."""

import argparse

from agent.cli.agreement import confirmed, is_terminal, use_default_signals
from agent.cli.flags import add_output, add_wait
from agent.cli.options import config_path, requested_by
from agent.cli.output import print_lines
from agent.cli.run_job import answer_of, choose_runner, run_job, run_quietly
from agent.core.frozen import replace
from agent.core.job_kinds import JobKind, JobOption
from agent.errors import ExitCode
from agent.host.machine.user import is_root
from agent.report.restart_outcome_text import restart_outcome_lines
from agent.report.text import counted
from agent.state.json_reader import JsonReader
from agent.state.restart_outcome_view import RestartOutcomeView
from agent.worker.protocol import JobRequest
from agent.worker.runner import run_forked, run_inline

EXAMPLE = "example: maestro-agent restart-services --dry-run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `restart-services`."""
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print what would be restarted, and what not, with the reason; do nothing",
    )
    parser.add_argument(
        "-y", "--yes", action="store_true", help="do not ask on a terminal; scripts and --json are never asked"
    )
    add_wait(parser)
    add_output(parser, "maestro.restart-outcome/1")


def run(arguments: argparse.Namespace) -> int:
    """Restart; exit 0 nothing is left, 10 a unit is left to a person, 1 a service failed or not agreed to, 5 busy."""
    request = JobRequest(
        kind=JobKind.RESTART_SERVICES,
        wait=arguments.wait,
        requested_by=requested_by(),
        config=config_path(arguments),
        state_dir=arguments.state_dir,
    )
    look = replace(request, options=frozenset({JobOption.DRY_RUN}))
    asked = look if arguments.dry_run else request
    if arguments.quiet:
        return run_quietly(asked, choose_runner(asked, run_forked))
    if not arguments.dry_run and is_terminal() and is_root() and not (arguments.yes or arguments.json):
        code = _refused(look)
        if code is not None:
            return code
    return run_job(
        asked,
        as_json=arguments.json,
        render=lambda document: restart_outcome_lines(RestartOutcomeView(document)),
        runner=choose_runner(asked, run_forked),
    )


def _refused(look: JobRequest) -> int | None:
    """Show the plan and ask; return an exit code, or None to go on. If nothing is to be restarted, nothing is asked.

    Raises:
        AgentError: the plan cannot be made. StoppedError: Ctrl-C instead of an answer.
    """
    answer = answer_of(look, choose_runner(look, run_inline))
    use_default_signals()
    if answer.document is None:
        return answer.exit_code
    plan = RestartOutcomeView(JsonReader(answer.document, "plan"))
    planned = plan.of_result("planned")
    if not planned or confirmed(restart_outcome_lines(plan), f"Restart {counted(len(planned), 'service')}?"):
        return None
    print_lines(["Nothing was restarted."])
    return ExitCode.FAILED
