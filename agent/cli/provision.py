"""`maestro-agent provision`: every package of a new server to its latest, one restart if required; once."""

import argparse
import tempfile
from collections.abc import Callable
from contextlib import ExitStack

from agent.cli.flags import add_output, add_verbose, add_wait
from agent.cli.options import config_path, requested_by
from agent.cli.run_job import choose_runner, is_chroot, run_job, run_quietly
from agent.core.frozen import replace
from agent.core.job_control import Progress
from agent.core.job_kinds import JobKind, JobOption
from agent.host.machine.session import own_session
from agent.host.systemd import systemd_runs
from agent.report.outcome_text import outcome_lines
from agent.report.reboot_outcome_text import reboot_outcome_lines
from agent.state.json_reader import JsonReader
from agent.state.reboot_outcome_view import RebootOutcomeView
from agent.state.run_views import OutcomeView
from agent.state.store import DEFAULT_DIRECTORY
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.runner import run_forked

EXAMPLE = "example: maestro-agent provision --no-reboot   (as while an image is built)"
_IN_IMAGE = (
    "systemd does not run here, as while an image is built: nothing is recorded, so that each server that boots from "
    "the image is provisioned itself."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `provision`."""
    parser.add_argument(
        "--no-reboot", action="store_true", help="leave a required restart to somebody else; `status` shows it"
    )
    parser.add_argument("--force", action="store_true", help="also if this server was provisioned")
    add_wait(parser)
    add_verbose(parser)
    add_output(parser, "maestro.outcome/1")


def run(arguments: argparse.Namespace) -> int:
    """Provision; exit 0 done or done before, 10 some held back or a gate is closed, 1 failed, 3 stale, 5 busy."""
    request = JobRequest(
        kind=JobKind.PROVISION,
        options=_options(arguments),
        session="" if arguments.no_reboot else own_session(),
        wait=arguments.wait,
        requested_by=requested_by(),
        config=config_path(arguments),
        state_dir=arguments.state_dir,
    )
    if not _is_image():
        return _run(request, arguments)
    request = replace(request, options=request.options | {JobOption.NO_REBOOT})
    if request.state_dir != DEFAULT_DIRECTORY:
        return _run(request, arguments)
    with ExitStack() as until_done:
        directory = until_done.enter_context(tempfile.TemporaryDirectory(prefix="maestro-agent-"))
        unrecorded = replace(request, state_dir=directory, remember=False)
        return _run(unrecorded, arguments, _run_unrecorded, _IN_IMAGE)


def _options(arguments: argparse.Namespace) -> frozenset[JobOption]:
    chosen = {JobOption.NO_REBOOT: arguments.no_reboot, JobOption.AGAIN: arguments.force}
    return frozenset(option for option, is_chosen in chosen.items() if is_chosen)


def _is_image() -> bool:
    return is_chroot() or not systemd_runs()


def _run_unrecorded(request: JobRequest, progress: Progress) -> JobAnswer:
    """Run the job; its outcome names no output of the package manager, which goes with the record (dpkg has a log)."""
    answer = run_forked(request, progress)
    if answer.document is None:
        return answer
    return replace(answer, document={name: value for name, value in answer.document.items() if name != "log"})


def _run(
    request: JobRequest,
    arguments: argparse.Namespace,
    local: Callable[[JobRequest, Progress], JobAnswer] = run_forked,
    notice: str = "",
) -> int:
    runner = choose_runner(request, local)
    if arguments.quiet:
        return run_quietly(request, runner)
    return run_job(
        request,
        as_json=arguments.json,
        render=lambda document: _result_lines(document, verbose=arguments.verbose),
        runner=runner,
        notice=notice,
    )


def _result_lines(document: JsonReader, *, verbose: bool) -> list[str]:
    """Render the outcome, and the restart that followed."""
    lines = outcome_lines(OutcomeView(document), verbose=verbose)
    reboot = document.optional_child("reboot_outcome")
    return [*lines, *reboot_outcome_lines(RebootOutcomeView(reboot))] if reboot is not None else lines
