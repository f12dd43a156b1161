"""jobs.json: start, end and exit code of each job's last run, and its failures in a row.

Written by the process that runs the job, so that it survives the daemon that requested it. Light: `status` reads it.

Manual runs affect the schedule only when they succeed; a failed manual run does not change the retry backoff.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from agent.core.schemas import JOBS_SCHEMA, Document
from agent.errors import SUCCESS_CODES, RecordError
from agent.state.job_lock import worker_pid
from agent.state.json_reader import JsonReader
from agent.state.store import Store
from agent.state.timestamps import format_human, format_utc

JOBS = "jobs"
REQUESTED_BY_SCHEDULE = "schedule"
"""`requested_by` of jobs that the daemon starts."""


def read_job_status(store: Store) -> JsonReader | None:
    """Return `maestro.jobs/1`: `jobs` by name, and `since`, the start of the first one; None if there was none yet.

    Raises:
        RecordError: the document is damaged.
    """
    return store.read(JOBS, JOBS_SCHEMA)


def running_job(document: JsonReader) -> tuple[str, datetime] | None:
    """Return name and start of the last job that has no end yet; it may have been killed (`job_lock.worker_pid`).

    Raises:
        RecordError: the document is damaged.
    """
    return max(_unfinished(document.child("jobs")), key=lambda found: found[1], default=None)


def _unfinished(jobs: JsonReader) -> Iterator[tuple[str, datetime]]:
    for name in jobs.raw:
        entry = jobs.optional_child(name)
        if entry is not None and entry.optional_text("finished_at") is None:
            yield name, entry.time("started_at")


def describe_running(store: Store) -> str:
    """Return a message that names the running job and its start."""
    message = f"another maestro-agent (pid {worker_pid(store.directory)}) is running"
    with suppress(RecordError):
        document = read_job_status(store)
        found = running_job(document) if document else None
        if found is not None:
            return f"{message}: {found[0]}, since {format_human(found[1])}"
    return message


def record_job_start(store: Store, name: str, now: datetime, requested_by: str) -> None:
    """Record that a job has started.

    Raises:
        HostError: the document cannot be written.
    """
    since, before = _load(store)
    entry: Document = {
        "started_at": format_utc(now),
        "finished_at": None,
        "exit_code": None,
        "asked_by": requested_by,
        **_schedule_fields(before.get(name)),
    }
    _write(store, {**before, name: entry}, since, now)


def job_entry(store: Store, name: str) -> object:
    """Return a job's entry, for `restore_job`; None if there is none."""
    return _load(store)[1].get(name)


def restore_job(store: Store, name: str, now: datetime, entry: object) -> None:
    """Restore a job's entry from before its start: the request was refused, so it was no attempt.

    Raises:
        HostError: the document cannot be written.
    """
    since, jobs = _load(store)
    others = {one: value for one, value in jobs.items() if one != name}
    _write(store, others if entry is None else {**others, name: entry}, since, now)


def record_job_end(store: Store, name: str, now: datetime, exit_code: int, *, whole: bool = True) -> None:
    """Record that the job started last has ended; `whole` is False for one that was limited to some packages.

    Raises:
        HostError: the document cannot be written.
    """
    since, before = _load(store)
    entry = before.get(name)
    started = dict(entry) if isinstance(entry, dict) else {"started_at": format_utc(now), "asked_by": ""}
    ended = {**started, "finished_at": format_utc(now), "exit_code": exit_code}
    if exit_code in SUCCESS_CODES and whole:
        ended |= {"failures": 0, "attempted_at": format_utc(now)}
    elif started["asked_by"] == REQUESTED_BY_SCHEDULE:
        ended |= {"failures": _count(started) + 1, "attempted_at": format_utc(now)}
    _write(store, {**before, name: ended}, since, now)


def _schedule_fields(entry: object) -> Document:
    """Return the schedule's fields before a job starts; a scheduled run that never ended counts as failed."""
    if not isinstance(entry, dict):
        return {"failures": 0, "attempted_at": None}
    interrupted = entry.get("finished_at") is None and entry.get("asked_by") == REQUESTED_BY_SCHEDULE
    attempted = entry.get("started_at") if interrupted else entry.get("attempted_at")
    return {"failures": _count(entry) + (1 if interrupted else 0), "attempted_at": attempted}


def _count(entry: Document) -> int:
    count = entry.get("failures")
    return count if isinstance(count, int) else 0


def _load(store: Store) -> tuple[object, Document]:
    """Return the start of the first job, and the entries by name."""
    reader = store.read_or_warn(JOBS, JOBS_SCHEMA)
    found = reader.raw if reader else {}
    jobs = found.get("jobs")
    return found.get("since"), dict(jobs) if isinstance(jobs, dict) else {}


def _write(store: Store, jobs: Document, since: object, now: datetime) -> None:
    document = {"schema": JOBS_SCHEMA, "generated_at": format_utc(now), "since": since or format_utc(now), "jobs": jobs}
    store.write(JOBS, document)
