"""Reports a running job: its start, its kept lines and its failure to the log, all of its lines to followers."""

from agent.core.frozen import replace
from agent.core.job_control import JobControl
from agent.errors import AgentError, BusyError, ExitCode, NothingDoneError, StoppedError
from agent.host import log
from agent.state.job_progress import ProgressWriter
from agent.state.timestamps import utc_now
from agent.worker.protocol import JobAnswer, JobRequest

_FAILURES: tuple[tuple[type[AgentError], log.LogEvent], ...] = (
    (BusyError, log.LogEvent.JOB_POSTPONED),
    (StoppedError, log.LogEvent.JOB_STOPPED),
    (NothingDoneError, log.LogEvent.JOB_REFUSED),
)


class JobReport:
    """The log entries and the progress file of one job."""

    def __init__(self, request: JobRequest, run_id: str) -> None:
        """Take the request, and the id of the run in the history; empty if the job leaves none there."""
        name = request.kind.value
        log.set_context(job=name, **({"run": run_id} if run_id else {}))
        log.event(log.LogEvent.JOB_STARTED, requested_by=request.requested_by)
        self._writer = ProgressWriter(
            request.state_dir, job=name, run=run_id, requested_by=request.requested_by, started_at=utc_now()
        )
        self._exit_code: int = ExitCode.FAILED
        self._error = "internal error, see the log"

    def watch(self, control: JobControl) -> JobControl:
        """Return a control whose lines go to the log and to followers, too."""

        def progress(message: str) -> None:
            self._writer.progress(message)
            control.progress(message)

        def keep(message: str) -> None:
            self._writer.step(message)
            log.event(log.LogEvent.JOB_PROGRESS, line=message)
            control.keep(message)

        return replace(control, progress=progress, keep=keep)

    def answered(self, answer: JobAnswer) -> None:
        """Report a result; its error, if any, says why it could not be recorded."""
        self._exit_code, self._error = answer.exit_code, answer.error
        if answer.error:
            log.event(log.LogEvent.RECORD_UNWRITTEN, error=answer.error)

    def failed(self, error: AgentError) -> None:
        """Report that the job ended with an error."""
        self._exit_code, self._error = error.exit_code, str(error)
        event = next((event for kind, event in _FAILURES if isinstance(error, kind)), log.LogEvent.JOB_FAILED)
        log.event(event, exit_code=int(error.exit_code), error=str(error))

    def end(self) -> None:
        """Report the end to followers."""
        self._writer.end(self._exit_code, self._error)
