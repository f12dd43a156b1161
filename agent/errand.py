"""The one job at a time that the daemon asks the root half for: what is heard of it, and what to remember of it."""

import time
from datetime import datetime, timezone

from agent import log
from agent.client import SOCKET, ask
from agent.core.ports import Tell
from agent.core.rota import Job
from agent.core.schedule import Attempts
from agent.errors import AgentError, RecordError
from agent.jobrecord import SUCCESSES, read_job
from agent.protocol import Answer, Request, Verb
from agent.store import Store

SILENT_S = 300.0
"""A worker says something twice a minute while it comes on at all; one that is silent for longer is stuck."""


class Errand:
    """One at a time; `do` blocks for as long as the job takes, all else answers at once."""

    def __init__(self, store: Store, socket: str = SOCKET) -> None:
        """Begin with none under way."""
        self._store = store
        self._socket = socket
        self._heard = 0.0
        self._unrecorded: dict[Job, Attempts] = {}
        self.job: Job | None = None
        """What is under way."""
        self.doing = ""
        """How it comes on, in the worker's words."""
        self.problem = ""
        """Why the last one came to nothing."""

    @property
    def stuck(self) -> bool:
        """Whether one is under way and nothing was heard of it for too long."""
        return self.job is not None and time.monotonic() - self._heard > SILENT_S

    def take(self, job: Job) -> None:
        """Have it under way from now on; `do` is to follow."""
        self._heard = time.monotonic()
        self.job, self.doing = job, "beginning"

    def do(self) -> None:
        """Ask for the job that was taken and listen to its end. Never raises."""
        job = self.job
        if job is None:
            return
        recorded, failures = self._recorded(job), self.attempts(job).failures
        answer = self._answer(job, self._hear)
        log.event("job.answered", job=job.value, exit_code=answer.exit_code, error=answer.error)
        self.problem = ""
        if answer.exit_code not in SUCCESSES:
            self.problem = f"the last {job.value} failed: {answer.error or '`maestro-agent history` tells why'}"
        if answer.exit_code not in SUCCESSES and self._recorded(job) == recorded:
            # The root half was not reached, or could write nothing down.
            self._unrecorded[job] = Attempts(last=datetime.now(timezone.utc), failures=failures + 1)
        else:
            self._unrecorded.pop(job, None)
        self.job, self.doing = None, ""

    def attempts(self, job: Job) -> Attempts:
        """Return what is known of a job's runs, by the record or, where that was not reached, from memory."""
        recorded, own = self._recorded(job), self._unrecorded.get(job)
        if own is not None and own.last is not None and (recorded.last is None or recorded.last < own.last):
            return own
        return recorded

    def _answer(self, job: Job, tell: Tell) -> Answer:
        request = Request(verb=Verb(job.value), brief=True, asked_by="schedule", state_dir=self._store.directory)
        log.event("job.asked", job=job.value)
        try:
            return ask(request, tell, self._socket)
        except AgentError as error:
            return Answer(exit_code=error.exit_code, error=str(error))
        except Exception as error:  # noqa: BLE001 - the daemon's loop: a bug in one job must not end it
            log.bug("job.bug", job=job.value)
            return Answer(exit_code=1, error=f"internal error: {error}")

    def _recorded(self, job: Job) -> Attempts:
        """Return what the record says; one that never ended, and is not running, has failed."""
        try:
            entry = read_job(self._store, job.value)
            if entry is None:
                return Attempts()
            finished, failures = entry.maybe_moment("finished_at"), int(entry.number("failures"))
            if finished is None and self._store.worker_pid() is None:
                failures += 1
            return Attempts(last=finished or entry.moment("started_at"), failures=failures)
        except RecordError as error:  # the next job writes a new one
            log.event("record.damaged", error=str(error))
            return Attempts()

    def _hear(self, message: str) -> None:
        self._heard = time.monotonic()
        self.doing = message or self.doing
