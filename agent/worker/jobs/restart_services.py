"""`restart-services`: restart the services that run replaced files, in one pass, each verified."""

from agent.core.job_kinds import JobOption
from agent.core.restart.model import LeftWhy, RestartOutcome, RestartResult, UnitResult
from agent.errors import ExitCode
from agent.report.restart_reasons import restart_sentence
from agent.state.documents.restart_outcome import restart_outcome_to_document
from agent.worker.context import JobContext
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.steps.finish_earlier import finish_earlier_jobs
from agent.worker.steps.restart import RestartRun

_NO_PERSON = frozenset({LeftWhy.AGENT, LeftWhy.ENDS_BY_ITSELF})
"""Units that are left and run current files without anybody's help."""
_FAILED = frozenset({RestartResult.DEGRADED, RestartResult.FAILED, RestartResult.INTERRUPTED})


def run(request: JobRequest, context: JobContext) -> JobAnswer:
    """Restart the services, and answer with the outcome; for a dry run with the plan.

    Raises:
        BusyError: another program held dpkg's lock up to the deadline, or the machine is going down; nothing was
            restarted.
        StoppedError: a stop was requested before.
        HostError: the processes cannot be read, systemd does not answer, or the run cannot be recorded.
    """
    services = RestartRun(context, request.requested_by)
    if JobOption.DRY_RUN in request.options:
        return _answer(services.plan(), context)
    with context.engine.apt_daily_lock():
        finish_earlier_jobs(context)
        context.engine.require_idle_dpkg()  # a service may not start on half of its files
        return _answer(services.run(), context)


def exit_code_of(outcome: RestartOutcome) -> ExitCode:
    """Return FAILED where a service did not stay active, ATTENTION where a unit is left to a person, else OK."""
    if outcome.result in _FAILED:
        return ExitCode.FAILED
    waits = any(
        unit.result is UnitResult.PLANNED or (unit.result is UnitResult.LEFT and unit.why not in _NO_PERSON)
        for unit in outcome.units
    )
    return ExitCode.ATTENTION if waits else ExitCode.OK


def _answer(outcome: RestartOutcome, context: JobContext) -> JobAnswer:
    document = restart_outcome_to_document(outcome, context.machine.now(), restart_sentence)
    return JobAnswer(exit_code=exit_code_of(outcome), document=document)
