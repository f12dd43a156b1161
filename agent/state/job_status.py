"""What is remembered of each kind of job: when it was last begun and ended, how, and how often in a row it failed.

Written by whoever does the job, so that it survives the daemon that asked for it. Light: `status` reads it.

What a person asks for is no affair of the schedule, but for what it brings: a job that succeeded counts for both, one
that a person tried in vain leaves the schedule as it was.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from agent.core.job_kinds import RECORDED_JOBS
from agent.core.schemas import JOBS_SCHEMA, Document
from agent.errors import SUCCESS_CODES, RecordError
from agent.state.job_lock import worker_pid
from agent.state.json_reader import JsonReader
from agent.state.store import Store
from agent.state.timestamps import format_human, format_utc

JOBS = "jobs"
REQUESTED_BY_SCHEDULE = "schedule"
"""Who asks where nobody does."""


def read_job_status(store: Store) -> JsonReader | None:
    """Return `maestro.jobs/1`: `jobs` by name, and `since` when there are any; None where none was ever done.

    Raises:
        RecordError: the record is damaged.
    """
    return store.read(JOBS, JOBS_SCHEMA)


def running_job(document: JsonReader) -> tuple[str, datetime] | None:
    """Return the kind of the job that began last and has not ended, and since when; whether it lives, others know.

    Raises:
        RecordError: the record is damaged.
    """
    return max(_unfinished(document.child("jobs")), key=lambda found: found[1], default=None)


def _unfinished(jobs: JsonReader) -> Iterator[tuple[str, datetime]]:
    for kind in RECORDED_JOBS:
        entry = jobs.optional_child(kind.value)
        if entry is not None and entry.optional_text("finished_at") is None:
            yield kind.value, entry.time("started_at")


def describe_running(store: Store) -> str:
    """Say which job goes on, and since when."""
    words = f"another maestro-agent (pid {worker_pid(store.directory)}) is running"
    with suppress(RecordError):
        document = read_job_status(store)
        found = running_job(document) if document else None
        if found is not None:
            return f"{words}: {found[0]}, since {format_human(found[1])}"
    return words


def record_job_start(store: Store, name: str, now: datetime, asked_by: str) -> None:
    """Remember that a job has begun.

    Raises:
        HostError: it cannot be written.
    """
    since, before = _all(store)
    entry: Document = {
        "started_at": format_utc(now),
        "finished_at": None,
        "exit_code": None,
        "asked_by": asked_by,
        **_of_schedule(before.get(name)),
    }
    _write(store, {**before, name: entry}, since, now)


def record_job_end(store: Store, name: str, now: datetime, exit_code: int) -> None:
    """Remember that the job that was begun last has ended.

    Raises:
        HostError: it cannot be written.
    """
    since, before = _all(store)
    entry = before.get(name)
    begun = dict(entry) if isinstance(entry, dict) else {"started_at": format_utc(now), "asked_by": ""}
    ended = {**begun, "finished_at": format_utc(now), "exit_code": exit_code}
    if exit_code in SUCCESS_CODES:
        ended |= {"failures": 0, "attempted_at": format_utc(now)}
    elif begun["asked_by"] == REQUESTED_BY_SCHEDULE:
        ended |= {"failures": _count(begun) + 1, "attempted_at": format_utc(now)}
    _write(store, {**before, name: ended}, since, now)


def _of_schedule(entry: object) -> Document:
    """Return what the schedule knows before a job begins: of its own one that never ended, that it failed."""
    if not isinstance(entry, dict):
        return {"failures": 0, "attempted_at": None}
    cut_off = entry.get("finished_at") is None and entry.get("asked_by") == REQUESTED_BY_SCHEDULE
    attempted = entry.get("started_at") if cut_off else entry.get("attempted_at")
    return {"failures": _count(entry) + (1 if cut_off else 0), "attempted_at": attempted}


def _count(entry: Document) -> int:
    count = entry.get("failures")
    return count if isinstance(count, int) else 0


def _all(store: Store) -> tuple[object, Document]:
    """Return since when jobs are remembered, and what of each kind."""
    reader = store.read_or_warn(JOBS, JOBS_SCHEMA)
    found = reader.raw if reader else {}
    jobs = found.get("jobs")
    return found.get("since"), dict(jobs) if isinstance(jobs, dict) else {}


def _write(store: Store, jobs: Document, since: object, now: datetime) -> None:
    document = {"schema": JOBS_SCHEMA, "generated_at": format_utc(now), "since": since or format_utc(now), "jobs": jobs}
    store.write(JOBS, document)
