"""`maestro-agent upgrade`: install the updates of the plan; security updates only unless `--all`."""

import argparse

from agent.cli.agreement import agreed, is_terminal
from agent.cli.flags import add_output, add_verbose, add_wait
from agent.cli.options import config_path, requested_by
from agent.cli.run_job import choose_runner, run_job, run_quietly, running_notice
from agent.core.job_kinds import JobKind, JobOption
from agent.core.model.scope import Scope
from agent.core.packages.explain_cve import cve_id, looks_like_cve
from agent.errors import UsageError
from agent.host.machine.session import own_session
from agent.host.machine.user import is_root
from agent.report.outcome_text import outcome_lines
from agent.report.plan_text import plan_lines
from agent.report.reboot_outcome_text import reboot_outcome_lines
from agent.report.status.collect import collect_status
from agent.report.status.document import build_status
from agent.report.status.restarts import restart_lines
from agent.state.json_reader import JsonReader
from agent.state.reboot_outcome_view import RebootOutcomeView
from agent.state.run_views import OutcomeView
from agent.state.store import Store
from agent.state.timestamps import utc_now
from agent.state.views import PlanView
from agent.worker.protocol import JobRequest
from agent.worker.runner import run_forked, run_inline

EXAMPLE = "example: maestro-agent upgrade --plan 3f9a52c01b7e   (exactly what `check` showed, or nothing)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `upgrade`."""
    parser.add_argument(
        "packages", nargs="*", metavar="PACKAGE", help="of the plan only these and what they need; name or name:arch"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        action="extend",
        default=[],
        metavar="PACKAGE|CVE",
        help="the same; of a CVE every update that fixes it",
    )
    scope = parser.add_mutually_exclusive_group()
    scope.add_argument("--security", action="store_true", help="security updates only (the default)")
    scope.add_argument("--all", action="store_true", help="every package to its newest version")
    parser.add_argument(
        "--no-refresh", action="store_true", help="use the package lists as they are; packages are still downloaded"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the plan from the lists as they are; change nothing"
    )
    parser.add_argument(
        "--reboot-if-required",
        action="store_true",
        help="reboot afterwards through the gates, if that is required and nothing failed",
    )
    parser.add_argument("--plan", metavar="ID", help="change nothing, and exit 6, unless the plan is still this one")
    parser.add_argument(
        "-y", "--yes", action="store_true", help="do not ask on a terminal; scripts and --json are never asked"
    )
    add_wait(parser)
    add_verbose(parser)
    add_output(parser, "maestro.outcome/1 (or maestro.plan/1)")


def run(arguments: argparse.Namespace) -> int:
    """Upgrade; exit 0 done, 10 some held back, 1 failed or refused, 3 package lists stale, 5 busy, 6 another plan."""
    request = JobRequest(
        kind=JobKind.CHECK if arguments.dry_run else JobKind.UPGRADE,
        scope=Scope.ALL if arguments.all else Scope.SECURITY,
        refresh=not (arguments.no_refresh or arguments.dry_run),
        remember=not arguments.dry_run,
        plan_id=arguments.plan,
        packages=tuple(dict.fromkeys(map(_named, [*arguments.packages, *arguments.only]))),
        options=frozenset({JobOption.REBOOT_IF_REQUIRED} if arguments.reboot_if_required else ()),
        session=own_session() if arguments.reboot_if_required else "",
        wait=arguments.wait,
        requested_by=requested_by(),
        config=config_path(arguments),
        state_dir=arguments.state_dir,
    )
    if arguments.quiet:
        return run_quietly(request, choose_runner(request, run_inline if arguments.dry_run else run_forked))
    if arguments.dry_run:
        notice = running_notice(arguments.state_dir)
        return run_job(
            request,
            as_json=arguments.json,
            render=lambda document: plan_lines(PlanView(document), verbose=arguments.verbose, working=bool(notice)),
            notice=notice,
        )
    if is_terminal() and is_root() and not (arguments.yes or arguments.json):
        found = agreed(request, verbose=arguments.verbose)
        if not isinstance(found, JobRequest):
            return found
        request = found
    return run_job(
        request,
        as_json=arguments.json,
        render=lambda document: _result_lines(document, arguments),
        runner=choose_runner(request, run_forked),
    )


def _named(text: str) -> str:
    """Return what a person named, a CVE as it is written officially.

    Raises:
        UsageError: it looks like the id of a CVE and is none.
    """
    if not looks_like_cve(text):
        return text
    cve = cve_id(text)
    if cve is None:
        raise UsageError(f"{text[:40]!r} is not the id of a CVE, such as CVE-2024-12345")
    return cve


def _result_lines(document: JsonReader, arguments: argparse.Namespace) -> list[str]:
    """Render the outcome, which services still run replaced files after it, and the reboot that followed."""
    outcome = OutcomeView(document)
    lines = outcome_lines(outcome, verbose=arguments.verbose)
    reboot = document.optional_child("reboot_outcome")
    if reboot is not None:
        return [*lines, *reboot_outcome_lines(RebootOutcomeView(reboot))]
    if not outcome.changed:
        return lines
    status = build_status(collect_status(Store(arguments.state_dir)), utc_now())
    return [*lines, *restart_lines(status.runtime.deleted_files or (), status.runtime.needed_restarts)]
