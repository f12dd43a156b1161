"""What is remembered of each kind of job: when it was last begun and ended, how, and how often in a row it failed.

Written by whoever does the job, so that it survives the daemon that asked for it. Light: `status` reads it.
"""

from datetime import datetime

from agent.errors import RecordError
from agent.reading import Reader
from agent.store import Document, Store
from agent.times import moment, spell

JOBS = "jobs"
JOBS_SCHEMA = "maestro.jobs/1"
SUCCESSES = (0, 10)
"""Exit codes of a job that did what it could: nothing, or something, is left for a person."""


def read_job(store: Store, name: str) -> Reader | None:
    """Return what is remembered of one kind of job; None where it was never done.

    Raises:
        RecordError: the record is damaged.
    """
    document = store.read(JOBS, JOBS_SCHEMA)
    return document.part("jobs").maybe_part(name) if document else None


def describe_running(store: Store) -> str:
    """Say which job holds the record's lock, and since when."""
    running = f"another maestro-agent (pid {store.worker_pid()}) is at work"
    try:
        for name in ("upgrade", "check"):
            entry = read_job(store, name)
            if entry is not None and entry.maybe_text("finished_at") is None:
                return f"{running}: {name}, since {spell(entry.moment('started_at'))}"
    except RecordError:
        pass
    return running


def keep_begun(store: Store, name: str, now: datetime, asked_by: str) -> None:
    """Remember that a job has begun.

    Raises:
        HostError: it cannot be written.
    """
    before = _all(store)
    entry: Document = {
        "started_at": moment(now),
        "finished_at": None,
        "exit_code": None,
        "asked_by": asked_by,
        "failures": _failures(before.get(name)),
    }
    _write(store, {**before, name: entry}, now)


def keep_ended(store: Store, name: str, now: datetime, exit_code: int) -> None:
    """Remember that the job that was begun last has ended.

    Raises:
        HostError: it cannot be written.
    """
    before = _all(store)
    entry = before.get(name)
    begun = dict(entry) if isinstance(entry, dict) else {"started_at": moment(now), "asked_by": ""}
    failures = 0 if exit_code in SUCCESSES else _failures(entry, ended=True) + 1
    ended = {**begun, "finished_at": moment(now), "exit_code": exit_code, "failures": failures}
    _write(store, {**before, name: ended}, now)


def _failures(entry: object, *, ended: bool = False) -> int:
    """Return how many attempts in a row failed before; one that never ended is one of them."""
    if not isinstance(entry, dict):
        return 0
    count = entry.get("failures")
    cut_off = not ended and entry.get("finished_at") is None
    return (count if isinstance(count, int) else 0) + (1 if cut_off else 0)


def _all(store: Store) -> Document:
    reader = store.read_or_warn(JOBS, JOBS_SCHEMA)
    jobs = reader.raw.get("jobs") if reader else None
    return dict(jobs) if isinstance(jobs, dict) else {}


def _write(store: Store, jobs: Document, now: datetime) -> None:
    store.write(JOBS, {"schema": JOBS_SCHEMA, "generated_at": moment(now), "jobs": jobs})
