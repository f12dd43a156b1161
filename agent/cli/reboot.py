"""`maestro-agent reboot`: reboot through the gates, now or at a time; or end what is scheduled."""

import argparse
import os
from contextlib import suppress

from agent.cli.agreement import confirmed, is_terminal, use_default_signals
from agent.cli.flags import add_output, add_wait
from agent.cli.options import config_path, requested_by
from agent.cli.output import print_lines
from agent.cli.reboot_schedule import cancel, schedule
from agent.cli.run_job import answer_of, choose_runner, run_job, run_quietly
from agent.core.docker.boot import after_boot
from agent.core.frozen import replace
from agent.core.job_kinds import JobKind, JobOption
from agent.errors import ExitCode, HostError, UsageError
from agent.host.docker.observer import LocalEngines
from agent.host.hook_directory import DIRECTORY
from agent.host.machine.session import own_session
from agent.host.machine.user import is_root
from agent.host.process.hooks import find_hooks
from agent.report.reboot_outcome_text import reboot_outcome_lines
from agent.report.reboot_plan_text import NO_CONTAINERS, reboot_plan_lines, reboot_question
from agent.state.json_reader import JsonReader
from agent.state.reboot_outcome_view import RebootOutcomeView
from agent.worker.protocol import JobRequest
from agent.worker.runner import run_forked, run_inline

EXAMPLE = 'example: maestro-agent reboot --if-required --at "Sat 02:00"'
DESPITE = {
    "last-run": JobOption.DESPITE_LAST_RUN,
    "sessions": JobOption.DESPITE_SESSIONS,
    "scheduled-by-other": JobOption.DESPITE_SCHEDULED,
    "fleet-lock": JobOption.DESPITE_LOCK,
}
"""Gates that `--despite` passes."""
_NOT_WITH_CANCEL = ("if_required", "despite", "comment", "wait", "yes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `reboot`."""
    parser.add_argument("--if-required", action="store_true", help="do nothing, and exit 0, if no reboot is required")
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--at", metavar="TIME", help='later: "02:00", "Sat 02:00", "+30m", "2026-12-05 02:00"')
    when.add_argument(
        "--cancel", action="store_true", help="end what --at scheduled, or a reboot that is about to begin"
    )
    when.add_argument("--dry-run", action="store_true", help="print the reason, the gates, the containers; do nothing")
    parser.add_argument(
        "--despite",
        metavar="GATE",
        action="append",
        choices=tuple(DESPITE),
        help=f"reboot although this gate is closed: {', '.join(DESPITE)}; may be repeated",
    )
    parser.add_argument("--comment", metavar="TEXT", help="of --at: for the record and for logged-in users")
    parser.add_argument(
        "-y", "--yes", action="store_true", help="do not ask on a terminal; scripts and --json are never asked"
    )
    add_wait(parser)
    add_output(parser, "maestro.reboot-outcome/1 (--at, --cancel: maestro.reboot-schedule/1)")


def run(arguments: argparse.Namespace) -> int:
    """Reboot; exit 0 it begins or none is required, 10 a gate is closed, 1 failed or not agreed to, 5 busy.

    Raises:
        UsageError: an option does not belong to the others. PrivilegeError: root is needed.
    """
    _check_options(arguments)
    options = _options(arguments)
    if arguments.cancel:
        return cancel(arguments)
    if arguments.at is not None and arguments.at.strip().lower() != "now":
        return schedule(arguments, options)
    request = _request(arguments, options)
    if arguments.dry_run:
        return run_job(
            _look(request),
            as_json=arguments.json,
            render=lambda document: _plan_lines(RebootOutcomeView(document)),
            runner=choose_runner(request, run_inline),
        )
    if arguments.quiet:
        return run_quietly(request, choose_runner(request, run_forked))
    if is_terminal() and is_root() and not (arguments.yes or arguments.json):
        code = _refused(request)
        if code is not None:
            return code
    return run_job(
        request,
        as_json=arguments.json,
        render=lambda document: reboot_outcome_lines(RebootOutcomeView(document)),
        runner=choose_runner(request, run_forked),
    )


def _check_options(arguments: argparse.Namespace) -> None:
    wrong = next((name for name in _NOT_WITH_CANCEL if arguments.cancel and getattr(arguments, name)), None)
    if wrong is not None:
        raise UsageError(f"--{wrong.replace('_', '-')} is not an option of `reboot --cancel`")
    if arguments.comment and arguments.at is None:
        raise UsageError("--comment is an option of `reboot --at`")


def _options(arguments: argparse.Namespace) -> frozenset[JobOption]:
    passed = {DESPITE[name] for name in arguments.despite or ()}
    return frozenset({*passed, *([JobOption.IF_REQUIRED] if arguments.if_required else [])})


def _request(arguments: argparse.Namespace, options: frozenset[JobOption]) -> JobRequest:
    return JobRequest(
        kind=JobKind.REBOOT,
        options=options,
        session=own_session(),
        wait=arguments.wait,
        requested_by=requested_by(),
        config=config_path(arguments),
        state_dir=arguments.state_dir,
    )


def _look(request: JobRequest) -> JobRequest:
    """Return the request for a dry run."""
    return replace(request, options=request.options | {JobOption.DRY_RUN})


def _refused(request: JobRequest) -> int | None:
    """Show the plan and ask; return an exit code, or None to go on.

    Where nothing is to be done or a gate is closed, the plan is the answer, and no job runs: the gate might open
    meanwhile, and the machine would reboot although nobody was asked.

    Raises:
        AgentError: the plan cannot be made. StoppedError: Ctrl-C instead of an answer.
    """
    look = _look(request)
    answer = answer_of(look, choose_runner(look, run_inline))
    use_default_signals()
    if answer.document is None:
        return answer.exit_code
    plan = RebootOutcomeView(JsonReader(answer.document, "plan"))
    lines = _plan_lines(plan)
    if plan.result != "would-reboot" and not _is_waited_for(plan, request):
        print_lines(lines)
        return answer.exit_code
    if confirmed(lines, reboot_question(plan, os.uname().nodename)):
        return None
    print_lines(["Nothing was done."])
    return ExitCode.FAILED


def _is_waited_for(plan: RebootOutcomeView, request: JobRequest) -> bool:
    """Return whether the job waits for the closed gate: for users to log out, or with `--wait` for another job."""
    gate = plan.blocked
    if gate is None:
        return False
    return (gate.gate == "sessions" and gate.until is not None) or (gate.gate == "job-running" and request.wait)


def _plan_lines(plan: RebootOutcomeView) -> list[str]:
    """Render the plan, with the hooks and the containers of this moment."""
    hooks = [os.path.basename(path) for path in find_hooks(os.path.join(DIRECTORY, "pre-reboot.d"))]
    containers = NO_CONTAINERS
    with suppress(HostError):  # the plan is shown without them
        containers = after_boot(LocalEngines().docker())
    return reboot_plan_lines(plan, containers, hooks)
