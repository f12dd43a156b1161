"""Requests one job at a time from the worker, follows its progress, and keeps what the worker could not record."""

import time
from collections.abc import Mapping
from datetime import datetime

from agent.core.clock import is_future
from agent.core.frozen import frozen
from agent.core.job_kinds import DAEMON_JOBS, JobKind
from agent.core.schedule.slots import JobAttempts
from agent.errors import SUCCESS_CODES, AgentError, ExitCode, RecordError
from agent.host import log
from agent.state.job_lock import worker_pid
from agent.state.job_status import REQUESTED_BY_SCHEDULE, read_job_status, running_job
from agent.state.json_reader import JsonReader
from agent.state.store import Store
from agent.state.timestamps import utc_now
from agent.worker.client import SOCKET, request_job
from agent.worker.protocol import JobAnswer, JobRequest

STALL_TIMEOUT_S = 300.0
"""A job that makes progress sends a line at least every 30 s; one that is silent for longer than this is stalled."""


@frozen
class JobsOverview:
    """The jobs of this machine, whoever requested them."""

    attempts: Mapping[JobKind, JobAttempts]
    """From the record or, for attempts that could not be recorded, from memory."""
    known_since: datetime | None = None
    """Start of the first job ever recorded."""
    running: tuple[str, datetime] | None = None
    """Name and start of the running job."""


class JobDispatcher:
    """One job at a time; `run` blocks until it ends, everything else returns at once."""

    def __init__(self, store: Store, socket: str = SOCKET) -> None:
        """Start without a job."""
        self._store = store
        self._socket = socket
        self._last_line_s = 0.0
        self._unrecorded: dict[JobKind, JobAttempts] = {}
        self._problems: dict[JobKind, str] = {}
        self.job: JobKind | None = None
        """The running job."""
        self.progress = ""
        """Its last progress message."""

    @property
    def stalled(self) -> bool:
        """Whether a job runs that sent no line for too long."""
        return self.job is not None and time.monotonic() - self._last_line_s > STALL_TIMEOUT_S

    def start(self, job: JobKind) -> None:
        """Mark the job as running; the caller calls `run` next, in another thread."""
        self._last_line_s = time.monotonic()
        self.job, self.progress = job, "starting"

    def run(self) -> None:
        """Request the started job from the worker and wait for its answer. Never raises."""
        job = self.job
        if job is None:
            return
        before = self.load_status().attempts[job]
        answer = self._request(job)
        failed, busy = answer.exit_code not in SUCCESS_CODES, answer.exit_code == ExitCode.BUSY
        name = log.LogEvent.JOB_ANSWERED
        if failed and not answer.recorded:  # a job that was recorded has logged its own failure
            name = log.LogEvent.JOB_DELAYED if busy else log.LogEvent.JOB_FAILED
        log.event(name, job=job.value, exit_code=answer.exit_code, error=answer.error)
        self._problems[job] = _problem(job, answer) if failed and not busy else ""
        if failed and not answer.recorded:
            # The worker was not reached, or could not write the record.
            self._unrecorded[job] = JobAttempts(last=utc_now(), failures=before.failures + 1)
        else:
            self._unrecorded.pop(job, None)
        self.job, self.progress = None, ""

    def load_status(self) -> JobsOverview:
        """Return what is known; a damaged record is logged and treated as empty: the next job writes a new one."""
        try:
            document = read_job_status(self._store)
            alive = worker_pid(self._store.directory) is not None
            recorded = _recorded_attempts(document, alive=alive)
            return JobsOverview(
                attempts={
                    job: _latest(recorded.get(job, JobAttempts()), self._unrecorded.get(job)) for job in DAEMON_JOBS
                },
                known_since=document.optional_time("since") if document else None,
                running=running_job(document) if document and alive else None,
            )
        except RecordError as error:
            log.event(log.LogEvent.RECORD_DAMAGED, error=str(error))
            return JobsOverview(attempts={job: self._unrecorded.get(job, JobAttempts()) for job in DAEMON_JOBS})

    def problems(self, status: JobsOverview) -> list[str]:
        """Return a message for each job whose last attempt failed."""
        return [message for job, message in self._problems.items() if message and status.attempts[job].failures]

    def _request(self, job: JobKind) -> JobAnswer:
        request = JobRequest(
            kind=job,
            omit_document=True,
            requested_by=REQUESTED_BY_SCHEDULE,
            state_dir=self._store.directory,
        )
        log.event(log.LogEvent.JOB_REQUESTED, job=job.value)
        try:
            return request_job(request, self._on_progress, self._socket)
        except AgentError as error:  # no answer at all, so the exit code of the error says nothing about the job
            return JobAnswer(exit_code=ExitCode.FAILED, error=str(error))
        except Exception as error:  # noqa: BLE001 - the daemon's loop: a bug in one job must not end it
            log.exception(log.LogEvent.JOB_BUG, job=job.value)
            return JobAnswer(exit_code=ExitCode.FAILED, error=f"internal error: {error}")

    def _on_progress(self, message: str) -> None:
        self._last_line_s = time.monotonic()
        self.progress = message or self.progress


def _recorded_attempts(document: JsonReader | None, *, alive: bool) -> dict[JobKind, JobAttempts]:
    """Return the attempts of those jobs that are in the record."""
    if document is None:
        return {}
    entries = {job: document.child("jobs").optional_child(job.value) for job in DAEMON_JOBS}
    return {job: _attempts(entry, alive=alive) for job, entry in entries.items() if entry}


def _latest(recorded: JobAttempts, own: JobAttempts | None) -> JobAttempts:
    """Return the later of both; a record from the future, written while the clock was wrong, does not count."""
    if own is None or own.last is None or recorded.last is None:
        return own or recorded
    return recorded if own.last < recorded.last and not is_future(recorded.last, utc_now()) else own


def _attempts(entry: JsonReader, *, alive: bool) -> JobAttempts:
    """Load a job's attempts. A scheduled run with a start but no end, and no live process, counts as failed."""
    failures = int(entry.number("failures"))
    if entry.optional_text("finished_at") is None and entry.text("asked_by") == REQUESTED_BY_SCHEDULE:
        return JobAttempts(last=entry.time("started_at"), failures=failures + (0 if alive else 1))
    return JobAttempts(last=entry.optional_time("attempted_at"), failures=failures)


def _problem(job: JobKind, answer: JobAnswer) -> str:
    """Return an error that is in no document; `status` has what the plan or the run on record says."""
    return f"the last {job.value} failed: {answer.error}" if answer.error else ""
