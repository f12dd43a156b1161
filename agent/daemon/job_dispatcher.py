"""The one job at a time that the daemon asks the root half for: what is heard of it, and what to remember of it."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone

from agent import log
from agent.core.ports import Tell
from agent.core.schedule.jobs import Job
from agent.core.schedule.slots import Attempts
from agent.errors import AgentError, BusyError, RecordError
from agent.state.job_status import SCHEDULE, SUCCESSES, read_jobs, running_job
from agent.state.json_reader import Reader
from agent.state.store import Store
from agent.worker.client import SOCKET, ask
from agent.worker.protocol import Answer, Request, Verb

SILENT_S = 300.0
"""A worker says something twice a minute while it comes on at all; one that is silent for longer is stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What is known of the jobs of this machine, whoever asked for them."""

    attempts: Mapping[Job, Attempts]
    """By the record or, of what could not be put on record, from memory."""
    known_since: datetime | None = None
    """When the first job of all began."""
    running: tuple[str, datetime] | None = None
    """The kind of the job that is at work, and since when."""


class Errand:
    """One at a time; `do` blocks for as long as the job takes, all else answers at once."""

    def __init__(self, store: Store, socket: str = SOCKET) -> None:
        """Begin with none under way."""
        self._store = store
        self._socket = socket
        self._heard = 0.0
        self._unrecorded: dict[Job, Attempts] = {}
        self._problems: dict[Job, str] = {}
        self.job: Job | None = None
        """What is under way."""
        self.doing = ""
        """How it comes on, in the worker's words."""

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
        before = self.remembered().attempts[job]
        recorded = self._record(job)
        answer = self._answer(job, self._hear)
        log.event("job.answered", job=job.value, exit_code=answer.exit_code, error=answer.error)
        failed = answer.exit_code not in SUCCESSES
        self._problems[job] = _problem(job, answer) if failed and answer.exit_code != BusyError.exit_code else ""
        if failed and self._record(job) == recorded:
            # The root half was not reached, or could write nothing down.
            self._unrecorded[job] = Attempts(last=datetime.now(timezone.utc), failures=before.failures + 1)
        else:
            self._unrecorded.pop(job, None)
        self.job, self.doing = None, ""

    def remembered(self) -> Remembered:
        """Return what is known; a record that is damaged is told, and taken for none: the next job writes a new one."""
        try:
            document = read_jobs(self._store)
            works = self._store.worker_pid() is not None
            recorded = _recorded(document, works=works)
            return Remembered(
                attempts={job: _later(recorded.get(job, Attempts()), self._unrecorded.get(job)) for job in Job},
                known_since=document.maybe_moment("since") if document else None,
                running=running_job(document) if document and works else None,
            )
        except RecordError as error:
            log.event("record.damaged", error=str(error))
            return Remembered(attempts={job: self._unrecorded.get(job, Attempts()) for job in Job})

    def problems(self, remembered: Remembered) -> list[str]:
        """Say why jobs came to nothing that have come to nothing else since."""
        return [words for job, words in self._problems.items() if words and remembered.attempts[job].failures]

    def _answer(self, job: Job, tell: Tell) -> Answer:
        request = Request(verb=Verb(job.value), brief=True, asked_by=SCHEDULE, state_dir=self._store.directory)
        log.event("job.asked", job=job.value)
        try:
            return ask(request, tell, self._socket)
        except AgentError as error:  # not a word of the worker's own, not even that it is busy
            return Answer(exit_code=1, error=str(error))
        except Exception as error:  # noqa: BLE001 - the daemon's loop: a bug in one job must not end it
            log.bug("job.bug", job=job.value)
            return Answer(exit_code=1, error=f"internal error: {error}")

    def _record(self, job: Job) -> object:
        """Return a job's entry as it stands, to see whether it changes."""
        with suppress(RecordError):
            document = read_jobs(self._store)
            return document.part("jobs").raw.get(job.value) if document else None
        return None

    def _hear(self, message: str) -> None:
        self._heard = time.monotonic()
        self.doing = message or self.doing


def _recorded(document: Reader | None, *, works: bool) -> dict[Job, Attempts]:
    """Return what the record says of those jobs that it knows."""
    entries = {job: document.part("jobs").maybe_part(job.value) for job in Job} if document else {}
    return {job: _attempts(entry, works=works) for job, entry in entries.items() if entry}


def _later(recorded: Attempts, own: Attempts | None) -> Attempts:
    """Choose the later one; a record from the future, written while the clock was wrong, is not."""
    if own is None or own.last is None or recorded.last is None:
        return own or recorded
    return recorded if own.last < recorded.last < datetime.now(timezone.utc) else own


def _attempts(entry: Reader, *, works: bool) -> Attempts:
    """Read what the schedule knows of a job; one of its own that never ended, and is not at work, has failed."""
    failures = int(entry.number("failures"))
    if entry.maybe_text("finished_at") is None and entry.text("asked_by") == SCHEDULE:
        return Attempts(last=entry.moment("started_at"), failures=failures + (0 if works else 1))
    return Attempts(last=entry.maybe_moment("attempted_at"), failures=failures)


def _problem(job: Job, answer: Answer) -> str:
    where = "`maestro-agent history` tells why" if job is Job.UPGRADE else "`maestro-agent status` tells why"
    return f"the last {job.value} failed: {answer.error or where}"
