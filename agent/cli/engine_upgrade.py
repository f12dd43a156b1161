"""`docker upgrade` and `weave upgrade`: the plan, a question on a terminal, then exactly that plan."""

import argparse

from agent.cli.agreement import confirmed, is_terminal, use_default_signals
from agent.cli.engine_plan import allowed, plan_request
from agent.cli.output import print_lines
from agent.cli.run_job import answer_of, choose_runner, run_job, run_quietly
from agent.core.frozen import replace
from agent.core.job_control import Progress
from agent.core.job_kinds import JobKind
from agent.errors import ExitCode, PlanChangedError
from agent.host.machine.user import is_root
from agent.report.engine_outcome_text import engine_outcome_lines
from agent.report.engine_text import engine_plan_lines, engine_question, engine_summary_lines
from agent.state.engine_outcome_view import EngineOutcomeView
from agent.state.engine_view import EngineView
from agent.state.json_reader import JsonReader
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.runner import run_forked, run_inline

_KINDS = {"docker": JobKind.DOCKER_UPGRADE, "weave": JobKind.WEAVE_UPGRADE}


def run(arguments: argparse.Namespace, component: str) -> int:
    """Upgrade; exit 0 done or nothing to do, 10 blocked, 1 failed or rolled back, 5 busy, 6 another plan."""
    look = plan_request(arguments, component)
    if arguments.dry_run:
        return run_job(
            look,
            as_json=arguments.json,
            render=lambda document: engine_plan_lines(EngineView(document), every=arguments.all, allowed=allowed(look)),
            runner=_run_dry,
        )
    request = replace(look, kind=_KINDS[component])
    if arguments.quiet:
        return run_quietly(request, choose_runner(request, run_forked))
    if is_terminal() and is_root() and not (arguments.yes or arguments.json):
        found = _agreed(look, request, every=arguments.all)
        if not isinstance(found, JobRequest):
            return found
        request = found
    return run_job(
        request,
        as_json=arguments.json,
        render=lambda document: engine_outcome_lines(EngineOutcomeView(document), verbose=arguments.all),
        runner=choose_runner(request, run_forked),
    )


def _run_dry(request: JobRequest, progress: Progress) -> JobAnswer:
    """Plan in this process.

    Raises:
        PlanChangedError: the plan is not the requested one.
    """
    answer = run_inline(request, progress)
    found = answer.document.get("id") if answer.document else None
    if request.plan_id not in {None, found}:
        raise PlanChangedError(f"the plan is {found} now, not {request.plan_id}; nothing was changed")
    return answer


def _agreed(look: JobRequest, request: JobRequest, *, every: bool) -> JobRequest | int:
    """Show the plan and ask; return the request for exactly that plan, or an exit code.

    Where nothing is to be done, or something blocks it, no question is asked: the job records that.

    Raises:
        AgentError: the plan cannot be made, or is not the requested one. StoppedError: Ctrl-C instead of an answer.
    """
    answer = answer_of(look, run_inline)
    use_default_signals()
    if answer.document is None:
        return answer.exit_code
    plan = EngineView(JsonReader(answer.document, "plan"))
    other = request.plan_id not in {None, plan.id}  # the job refuses it
    if other or plan.unseen is not None or plan.nothing_to_do or plan.blocked:
        return request
    shown = [*engine_plan_lines(plan, every=every, command=False), *engine_summary_lines(plan)]
    if confirmed(shown, engine_question(plan)):
        return replace(request, plan_id=plan.id)
    print_lines(["Nothing was changed."])
    return ExitCode.FAILED
