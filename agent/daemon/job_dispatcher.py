"""The one job at a time that the daemon asks the root half for: what is heard of it, and what to remember of it."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from agent.core.ports import Progress
from agent.core.schedule.jobs import Job
from agent.core.schedule.slots import JobAttempts
from agent.errors import SUCCESS_CODES, AgentError, ExitCode, RecordError
from agent.host import log
from agent.state.job_status import REQUESTED_BY_SCHEDULE, read_job_status, running_job
from agent.state.json_reader import JsonReader
from agent.state.store import Store
from agent.state.timestamps import utc_now
from agent.worker.client import SOCKET, request_job
from agent.worker.protocol import JobAnswer, JobRequest, Verb

STALL_TIMEOUT_S = 300.0
"""A worker says something twice a minute while it comes on at all; one that is silent for longer is stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsOverview:
    """What is known of the jobs of this machine, whoever asked for them."""

    attempts: Mapping[Job, JobAttempts]
    """By the record or, of what could not be put on record, from memory."""
    known_since: datetime | None = None
    """When the first job of all began."""
    running: tuple[str, datetime] | None = None
    """The kind of the job that is at work, and since when."""


class JobDispatcher:
    """One at a time; `run` blocks for as long as the job takes, all else answers at once."""

    def __init__(self, store: Store, socket: str = SOCKET) -> None:
        """Begin with none under way."""
        self._store = store
        self._socket = socket
        self._heard = 0.0
        self._unrecorded: dict[Job, JobAttempts] = {}
        self._problems: dict[Job, str] = {}
        self.job: Job | None = None
        """What is under way."""
        self.doing = ""
        """How it comes on, in the worker's words."""

    @property
    def stuck(self) -> bool:
        """Whether one is under way and nothing was heard of it for too long."""
        return self.job is not None and time.monotonic() - self._heard > STALL_TIMEOUT_S

    def take(self, job: Job) -> None:
        """Have it under way from now on; `run` is to follow."""
        self._heard = time.monotonic()
        self.job, self.doing = job, "beginning"

    def do(self) -> None:
        """Ask for the job that was taken and listen to its end. Never raises."""
        job = self.job
        if job is None:
            return
        before = self.remembered().attempts[job]
        recorded = self._record(job)
        answer = self._answer(job, self._hear)
        log.event("job.answered", job=job.value, exit_code=answer.exit_code, error=answer.error)
        failed = answer.exit_code not in SUCCESS_CODES
        self._problems[job] = _problem(job, answer) if failed and answer.exit_code != ExitCode.BUSY else ""
        if failed and self._record(job) == recorded:
            # The root half was not reached, or could write nothing down.
            self._unrecorded[job] = JobAttempts(last=utc_now(), failures=before.failures + 1)
        else:
            self._unrecorded.pop(job, None)
        self.job, self.doing = None, ""

    def remembered(self) -> JobsOverview:
        """Return what is known; a record that is damaged is told, and taken for none: the next job writes a new one."""
        try:
            document = read_job_status(self._store)
            works = self._store.worker_pid() is not None
            recorded = _recorded(document, works=works)
            return JobsOverview(
                attempts={job: _later(recorded.get(job, JobAttempts()), self._unrecorded.get(job)) for job in Job},
                known_since=document.optional_time("since") if document else None,
                running=running_job(document) if document and works else None,
            )
        except RecordError as error:
            log.event("record.damaged", error=str(error))
            return JobsOverview(attempts={job: self._unrecorded.get(job, JobAttempts()) for job in Job})

    def problems(self, remembered: JobsOverview) -> list[str]:
        """Say why jobs came to nothing that have come to nothing else since."""
        return [words for job, words in self._problems.items() if words and remembered.attempts[job].failures]

    def _answer(self, job: Job, tell: Progress) -> JobAnswer:
        request = JobRequest(
            verb=Verb(job.value),
            omit_document=True,
            requested_by=REQUESTED_BY_SCHEDULE,
            state_dir=self._store.directory,
        )
        log.event("job.asked", job=job.value)
        try:
            return request_job(request, tell, self._socket)
        except AgentError as error:  # not a word of the worker's own, not even that it is busy
            return JobAnswer(exit_code=ExitCode.FAILED, error=str(error))
        except Exception as error:  # noqa: BLE001 - the daemon's loop: a bug in one job must not end it
            log.exception("job.bug", job=job.value)
            return JobAnswer(exit_code=ExitCode.FAILED, error=f"internal error: {error}")

    def _record(self, job: Job) -> object:
        """Return a job's entry as it stands, to see whether it changes."""
        with suppress(RecordError):
            document = read_job_status(self._store)
            return document.child("jobs").raw.get(job.value) if document else None
        return None

    def _hear(self, message: str) -> None:
        self._heard = time.monotonic()
        self.doing = message or self.doing


def _recorded(document: JsonReader | None, *, works: bool) -> dict[Job, JobAttempts]:
    """Return what the record says of those jobs that it knows."""
    entries = {job: document.child("jobs").optional_child(job.value) for job in Job} if document else {}
    return {job: _attempts(entry, works=works) for job, entry in entries.items() if entry}


def _later(recorded: JobAttempts, own: JobAttempts | None) -> JobAttempts:
    """Choose the later one; a record from the future, written while the clock was wrong, is not."""
    if own is None or own.last is None or recorded.last is None:
        return own or recorded
    return recorded if own.last < recorded.last < utc_now() else own


def _attempts(entry: JsonReader, *, works: bool) -> JobAttempts:
    """Read what the schedule knows of a job; one of its own that never ended, and is not at work, has failed."""
    failures = int(entry.number("failures"))
    if entry.optional_text("finished_at") is None and entry.text("asked_by") == REQUESTED_BY_SCHEDULE:
        return JobAttempts(last=entry.time("started_at"), failures=failures + (0 if works else 1))
    return JobAttempts(last=entry.optional_time("attempted_at"), failures=failures)


def _problem(job: Job, answer: JobAnswer) -> str:
    where = "`maestro-agent history` tells why" if job is Job.UPGRADE else "`maestro-agent status` tells why"
    return f"the last {job.value} failed: {answer.error or where}"
